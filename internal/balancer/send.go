// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// continueTimeout is after how long a backend that ignores "Expect:
	// 100-continue" gets the body all the same.
	continueTimeout = time.Second
	// lateAnswer is how long a backend that takes no more of a request has to say
	// why, as with a body it finds too large.
	lateAnswer = time.Second
	// lastWrite is how long the last write of a body may take to return after the
	// answer is there.
	lastWrite = 50 * time.Millisecond
)

// sending is the body of a request on its way to a backend. That has a
// goroutine of its own, because a backend may answer before it has read all.
type sending struct {
	done    chan struct{}
	proceed chan bool // whether a backend that was asked wants the body
	whole   bool      // all was sent; to be read once done is closed
}

// startSending sends the body of the exchange over a connection.
func (x *exchange) startSending(c *conn) *sending {
	s := &sending{done: make(chan struct{})}
	if hasToken(x.request.Header["Expect"], "100-continue") {
		s.proceed = make(chan bool, 1)
	}
	go func() {
		defer close(s.done)
		if !s.wanted() {
			return
		}
		switch err := x.sendBody(c); {
		case err == nil:
			s.whole = true
		case c.sent.Load() && x.body.fault(nil) == nil && !errors.Is(err, errStopped):
			_ = c.SetReadDeadline(time.Now().Add(lateAnswer))
		case !errors.Is(err, errStopped):
			// There will be no answer to what cannot be sent.
			_ = c.Conn.Close()
		}
	}()
	return s
}

// decide tells whether the body is wanted, if that is still the question.
func (s *sending) decide(wanted bool) {
	if s == nil || s.proceed == nil {
		return
	}
	select {
	case s.proceed <- wanted:
	default:
	}
}

// wanted waits for the decision.
func (s *sending) wanted() bool {
	if s.proceed == nil {
		return true
	}
	timer := time.NewTimer(continueTimeout)
	defer timer.Stop()
	select {
	case wanted := <-s.proceed:
		return wanted
	case <-timer.C:
		return true
	}
}

// finished reports whether all was sent. A body that was read to its end may
// be in its last write; one that was not is not waited for.
func (s *sending) finished(b *body) bool {
	if s == nil {
		return true
	}
	select {
	case <-s.done:
		return s.whole
	default:
	}
	if !b.complete() {
		return false
	}
	timer := time.NewTimer(lastWrite)
	defer timer.Stop()
	select {
	case <-s.done:
		return s.whole
	case <-timer.C:
		return false
	}
}

// chunkHead is the room for the size of a chunk: eight digits and an end of line.
const chunkHead = 10

// sendBody writes the body as it is read, each piece at once.
func (x *exchange) sendBody(c *conn) error {
	held := x.balancer.buffers.get()
	defer x.balancer.buffers.put(held)
	chunked := x.request.ContentLength < 0
	for {
		n, err := x.body.Read(held[chunkHead : len(held)-2])
		piece := held[chunkHead : chunkHead+n]
		if chunked && n > 0 {
			copy(held[:chunkHead], fmt.Sprintf("%08x\r\n", n))
			piece = append(held[:chunkHead+n], "\r\n"...)
		}
		if len(piece) > 0 {
			if _, err := c.Write(piece); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return err
		case chunked:
			_, err := c.Write(appendTrailer([]byte("0\r\n"), x.request.Trailer))
			return err
		default:
			return nil
		}
	}
}

// appendTrailer appends the end of a chunked body.
func appendTrailer(p []byte, trailer http.Header) []byte {
	for name, values := range trailer {
		for _, value := range values {
			if validToken(name) && validValue(value) && !hopByHop(name) {
				p = appendField(p, name, value)
			}
		}
	}
	return append(p, "\r\n"...)
}
