// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

// exchange is one client's request and what becomes of it.
type exchange struct {
	balancer *Balancer
	proxy    httputil.ReverseProxy
	client   http.ResponseWriter
	request  *http.Request
	body     body

	// The answer, once there is one, and where it comes from.
	backend  *backend
	conn     *conn
	response reply
	answered atomic.Bool
}

// ServeHTTP hands the request to a backend and passes on the response.
func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.arrivals.add(time.Now().Unix())
	x := &exchange{balancer: b, proxy: b.proxy, client: w, request: r}
	x.proxy.Transport = x
	x.proxy.ErrorHandler = x.fail
	// Deferred, because the proxy ends by a panic when a response breaks off.
	defer x.finish()
	if r.Method == http.MethodConnect {
		// A tunnel to anywhere is not ours to give.
		writeError(w, http.StatusNotImplemented, "the method CONNECT is not supported", "")
		return
	}
	if err := b.await(r.Context()); err != nil {
		x.fail(w, r, err)
		return
	}
	x.proxy.ServeHTTP(w, r)
}

// forward fits a request for its way to a backend. The proxy has taken out what
// concerns only the connection to the client.
func forward(p *httputil.ProxyRequest) {
	// The query is the backend's to understand, also what Go does not parse.
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	// We are one more on the way from the client.
	p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
	p.SetXForwarded()
}

// answer takes over the response of a backend. Its body is watched while it is
// passed on, except for the connection behind an upgrade, which the proxy needs
// as it is.
func (x *exchange) answer(be *backend, c *conn, resp *http.Response) {
	x.backend, x.conn = be, c
	x.response = reply{ReadCloser: resp.Body, exchange: x, upgraded: resp.StatusCode == http.StatusSwitchingProtocols}
	if !x.response.upgraded {
		resp.Body = &x.response
	}
	x.answered.Store(true)
	if x.request.ProtoMajor == 1 && !x.body.complete() {
		// The backend answers before it was sent everything. The server would hold
		// the answer back until the client has sent the rest, and cannot use the
		// connection again if it is told not to.
		_ = http.NewResponseController(x.client).EnableFullDuplex()
		x.client.Header().Set("Connection", "close")
	}
}

// finish ends the exchange, however it came to its end: only here is the
// backend of an answered request released.
func (x *exchange) finish() {
	c := x.conn
	if c == nil {
		return
	}
	x.conn = nil
	// A backend may answer before it was sent everything.
	x.body.stop(x.client)
	x.response.Close()
	usable := c.end() == nil && !x.response.upgraded && c.client.Available() == 1
	if !usable || !x.backend.keep(c) {
		c.close()
	}
	x.backend.release()
}

// interrupt ends the exchange's waiting for its client. It is called with the
// connection's lock held, which also says that the exchange is not finished.
func (x *exchange) interrupt() {
	x.body.stop(x.client)
	if x.answered.Load() {
		// A client that takes no more cannot be told anything, only left.
		_ = http.NewResponseController(x.client).SetWriteDeadline(time.Unix(1, 0))
	}
}

// reply is the body of a response.
type reply struct {
	io.ReadCloser
	exchange *exchange
	upgraded bool
}

// Read reads from the backend, and reports it when it breaks off.
func (r *reply) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return io.EOF itself
		x := r.exchange
		err = cmp.Or(x.conn.ended(), err)
		x.blame(x.request.Context(), &failure{backend: x.backend, err: err, sent: true})
	}
	return n, err
}

// statusClientGone is a status for the log: nobody is there to see it.
const statusClientGone = 499

// fail answers a request that no backend has answered.
func (x *exchange) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, message := http.StatusBadGateway, "no replica has answered the request"
	var malformed *bodyError
	var f *failure
	switch {
	case errors.Is(err, errStalled):
		status, message = http.StatusRequestTimeout, "the request was not sent completely"
	case errors.Is(err, errSilent):
		status, message = http.StatusGatewayTimeout, "the replica did not answer in time"
	case r.Context().Err() != nil && !errors.Is(err, errAborted):
		// Only now: cutting a request off may look to the server as if its client
		// had gone.
		status, err = statusClientGone, context.Cause(r.Context())
	case errors.Is(err, errNotReady), errors.Is(err, errTooMany), errors.Is(err, errHeld):
		status, message = http.StatusServiceUnavailable, "no replica is ready"
		w.Header().Set("Retry-After", "5")
	case errors.As(err, &malformed):
		status, message = http.StatusBadRequest, "the request could not be read"
	case errors.As(err, &f) && f.sent && !idempotent(r):
		message = "the replica failed after the request was sent, which is not repeated because it may have been processed"
	}
	x.balancer.log.LogAttrs(r.Context(), slog.LevelDebug, "request failed",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status), slog.Any("error", err))
	if status == statusClientGone {
		w.WriteHeader(status)
		return
	}
	writeError(w, status, message, err.Error())
}

// writeError answers with a small JSON document.
func writeError(w http.ResponseWriter, status int, message, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// If the client does not take the answer there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(struct {
		Error  string `json:"error"`
		Detail string `json:"detail,omitempty"`
	}{message, detail})
}

// buffers are reused for passing on the bodies of responses.
type buffers struct{ pool sync.Pool }

type buffer [32 << 10]byte

// Get gives a buffer.
func (b *buffers) Get() []byte {
	if reused, ok := b.pool.Get().(*buffer); ok {
		return reused[:]
	}
	return new(buffer)[:]
}

// Put takes it back. The pool holds arrays, because a slice put into it would
// be copied to the heap.
func (b *buffers) Put(p []byte) { b.pool.Put((*buffer)(p)) }
