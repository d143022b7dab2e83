// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// maxRemembered is how much of a request's body is remembered, so that the
// request can be sent again.
const maxRemembered = 64 << 10

// errStopped is what a request that has ended gets for its body.
var errStopped = errors.New("the request has ended")

// body is the body of a request as it is sent to one backend after the other.
// It is read from the client as the backend takes it, never ahead.
type body struct {
	source io.Reader // the client; nil if there is no body
	pool   *sync.Pool

	mu       sync.Mutex    // guards what follows
	seen     *bytes.Buffer // all that was read, from the start; nil before and once forgotten
	partial  bool          // more was read than is remembered
	offset   int           // how much of seen this try has read
	err      error         // how the client's body ended: io.EOF, or worse
	reading  bool          // the client is being waited for
	stopped  bool          // this try is over
	deserted bool          // the client was given up on while it was being waited for
}

// Read is called by the http client while it sends the request.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.stopped:
		return 0, errStopped
	case b.seen != nil && b.offset < b.seen.Len():
		n := copy(p, b.seen.Bytes()[b.offset:])
		b.offset += n
		return n, nil
	case b.err != nil:
		return 0, b.err
	}
	b.reading = true
	b.mu.Unlock()
	n, err := b.source.Read(p)
	b.mu.Lock()
	b.reading, b.err = false, err
	b.remember(p[:n])
	return n, err
}

// Close does nothing: the body is the server's to close, and is needed again if
// the request is.
func (b *body) Close() error { return nil }

func (b *body) remember(p []byte) {
	if b.partial || len(p) == 0 {
		return
	}
	if b.seen == nil {
		b.seen, _ = b.pool.Get().(*bytes.Buffer)
		b.seen.Reset()
	}
	if b.seen.Len()+len(p) > maxRemembered {
		b.forgetLocked()
		return
	}
	b.seen.Write(p)
	b.offset += len(p)
}

// forget gives up what is remembered: the request will not be sent again.
func (b *body) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked()
}

func (b *body) forgetLocked() {
	b.partial = true
	// Not while it is being sent again: a backend may answer before that is done.
	if b.seen != nil && b.offset == b.seen.Len() {
		b.pool.Put(b.seen)
		b.seen = nil
	}
}

// replayable reports whether the body can be sent again from its start.
func (b *body) replayable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.partial && !b.deserted && (b.err == nil || errors.Is(b.err, io.EOF))
}

// complete reports whether the client has sent all of it.
func (b *body) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.source == nil || b.err != nil
}

// rewind starts another try. The one before has ended: the http client returns
// an error only when it reads the body no more.
func (b *body) rewind() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offset, b.stopped = 0, false
}

// stop ends this try. If it is waiting for the client, that ends too, and with
// it what can be read from the client at all.
func (b *body) stop(client http.ResponseWriter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.reading {
		b.deserted = true
		// A client whose body cannot be given up on ends when it goes away.
		_ = http.NewResponseController(client).SetReadDeadline(time.Unix(1, 0))
	}
}

// fault is what the client did wrong with its body, if it did.
func (b *body) fault(cause error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.deserted && errors.Is(cause, errSilent):
		return errStalled
	case !b.deserted && b.err != nil && !errors.Is(b.err, io.EOF):
		return &bodyError{b.err}
	default:
		return nil
	}
}

// errStalled is a client that stopped sending in the middle of its request.
var errStalled = errors.New("the client stopped sending the request")

// bodyError is a request body that ends badly.
type bodyError struct{ err error }

// Error says what is wrong with the body.
func (e *bodyError) Error() string { return "reading the request's body: " + e.err.Error() }

// Unwrap gives the error of reading.
func (e *bodyError) Unwrap() error { return e.err }
