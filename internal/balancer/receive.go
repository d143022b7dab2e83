// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// maxHead is how long the head of a response may be, with those of the 1xx
// responses before it.
const maxHead = 10 << 20

// errHead is a response that cannot be passed on.
var errHead = errors.New("the head of the response is too long or malformed")

// receive waits for the answer to the request. Responses before the final one
// are passed on.
func (x *exchange) receive(c *conn) (*http.Response, error) {
	c.quota = maxHead
	if x.request.Method != http.MethodHead && x.plain.read(c) {
		c.quota = unlimited
		return &x.plain.Response, nil
	}
	for {
		resp, err := http.ReadResponse(c.reader, x.request)
		if err != nil {
			return nil, err
		}
		switch code := resp.StatusCode; {
		case code == http.StatusContinue:
			// The server says it to the client when the body is first read.
			x.sending.decide(true)
		case code < http.StatusContinue:
			return nil, errHead
		case code >= http.StatusOK || code == http.StatusSwitchingProtocols:
			c.quota = unlimited
			return resp, nil
		case x.request.ProtoAtLeast(1, 1): // before that there were none
			h := x.client.Header()
			passFields(h, resp.Header)
			x.client.WriteHeader(code)
			clear(h)
		}
	}
}

// gatherTime is how long the rest of a short answer is waited for. By then it is known
// of most machines that they are gone, which may say nothing themselves.
const gatherTime = 250 * time.Millisecond

// gather waits for a moment for the rest of a short answer of known length. Many
// programs write head and body one after the other, and may die in between: as long
// as the client has nothing of it, another backend can be asked. Who takes his time
// is writing a stream, of which nothing is held back. An answer that is here as a
// whole is passed on even if its backend is taken away at this very moment.
func (x *exchange) gather(c *conn, resp *http.Response) error {
	left := resp.ContentLength
	if resp == &x.plain.Response {
		left = x.plain.left
	}
	if resp.Body == http.NoBody || left >= 0 && left <= int64(c.reader.Buffered()) {
		x.whole.Store(true)
		return nil
	}
	if left < 0 || left > readerSize || !x.repeatable(&failure{sent: true}) {
		return nil
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(gatherTime))
	_, err := c.reader.Peek(int(left))
	_ = c.Conn.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	x.whole.Store(true)
	return nil
}

// passFields copies what concerns the client.
func passFields(to, from http.Header) {
	connection := from["Connection"]
	for name, values := range from {
		if !hopByHop(name) && (connection == nil || !hasToken(connection, name)) {
			to[name] = values
		}
	}
}

// relay passes a response on.
func (x *exchange) relay(resp *http.Response) error {
	h := x.client.Header()
	passFields(h, resp.Header)
	if x.cookie != "" {
		h.Add("Set-Cookie", x.cookie)
	}
	x.status = resp.StatusCode
	x.balancer.counters.begun(time.Since(x.began), x.balancer.bounds)
	if _, known := h["Content-Type"]; !known {
		h["Content-Type"] = nil // or the server would guess
	}
	announced := len(resp.Trailer)
	for name := range resp.Trailer {
		h.Add("Trailer", name)
	}
	x.client.WriteHeader(resp.StatusCode)
	if resp.Body != http.NoBody {
		x.conn.unflushed = x.client
		err := x.relayBody(resp.Body)
		x.conn.unflushed = nil
		if err != nil {
			return err
		}
	}
	x.spent = true
	if len(resp.Trailer) == 0 {
		return nil
	}
	// A response with trailers is one in chunks, however short.
	_ = http.NewResponseController(x.client).Flush()
	prefix := ""
	if len(resp.Trailer) != announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range resp.Trailer {
		h[prefix+name] = slices.Concat(h[prefix+name], values)
	}
	return nil
}

// relayBody copies the body of a response. While there is nothing to copy it
// holds no buffer, so that streams that are silent most of the time are cheap.
func (x *exchange) relayBody(body io.Reader) error {
	pool := &x.balancer.buffers
	var held *buffer
	defer func() {
		if held != nil {
			pool.put(held)
		}
	}()
	for {
		if held == nil {
			// An error comes again.
			_, _ = x.conn.reader.Peek(1)
			held = pool.get()
		}
		n, err := body.Read(held[:])
		if n > 0 {
			x.written += int64(n)
			if _, err := x.client.Write(held[:n]); err != nil {
				return fmt.Errorf("writing the response: %w", err)
			}
			x.conn.unflushed = x.client
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			if x.body.fault(nil) == nil {
				f := &failure{backend: x.backend, err: cmp.Or(x.conn.ended(), err), sent: true}
				x.blame(x.request.Context(), f)
				return f
			}
			return err
		case n < readerSize/2:
			pool.put(held)
			held = nil
		}
	}
}
