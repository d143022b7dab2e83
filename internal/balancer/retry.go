// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
)

// maxTries is how many backends a request meets.
const maxTries = 3

// failure is a backend that failed a request before it began to answer.
type failure struct {
	backend *backend
	err     error
	sent    bool // some of the request was sent
	stale   bool // it was sent on a kept connection, and nothing came back
}

// Error names the backend and what happened.
func (f *failure) Error() string {
	return fmt.Sprintf("replica %d: %v", f.backend.id, f.err)
}

// Unwrap gives what happened.
func (f *failure) Unwrap() error { return f.err }

// RoundTrip sends the request to one backend after the other, until one answers
// or the request must not be repeated. The request is the exchange's own, made
// by its proxy, so that it may be changed.
func (x *exchange) RoundTrip(out *http.Request) (*http.Response, error) {
	out.URL.Scheme = "http"
	if out.Body != nil {
		x.body.source, x.body.pool = out.Body, &x.balancer.bodies
		out.Body = &x.body
		defer x.body.forget()
	}
	var tried [maxTries]*backend
	var stale *backend
	last := errNotReady
	for i := range maxTries {
		be, fresh := x.balancer.pick(tried[:i]), false
		if be == nil && stale != nil && stale.acquire() {
			be, fresh, stale = stale, true, nil
		}
		if be == nil {
			break
		}
		tried[i] = be
		resp, err := x.try(be, fresh, out)
		if err == nil {
			return resp, nil
		}
		be.release()
		last = err
		var f *failure
		if out.Context().Err() != nil || !errors.As(err, &f) || !x.repeatable(out, f) {
			break
		}
		if f.stale {
			stale = be
		}
	}
	return nil, last
}

// try sends the request to an acquired backend. Without an error, the backend
// and its connection are the exchange's until it is finished.
func (x *exchange) try(be *backend, fresh bool, out *http.Request) (*http.Response, error) {
	ctx := out.Context()
	c, err := be.connect(ctx, fresh)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errAborted) {
			be.suspect.Store(int64(x.balancer.elapsed() + suspicion))
			x.balancer.onFailure(be.id, err)
		}
		return nil, &failure{backend: be, err: err}
	}
	err = c.begin(x)
	if err == nil {
		out.URL.Host = c.address // for requests without a Host
		x.body.rewind()
		var resp *http.Response
		if resp, err = c.client.RoundTrip(out); err == nil {
			be.suspect.Store(0)
			x.answer(be, c, resp)
			return resp, nil
		}
	}
	cause := c.end()
	c.close()
	if fault := x.body.fault(cause); fault != nil {
		return nil, fault
	}
	f := &failure{
		backend: be,
		err:     cmp.Or(cause, err),
		sent:    c.sent.Load(),
		stale:   c.reused && cause == nil && !c.received.Load(),
	}
	x.blame(ctx, f)
	return nil, f
}

// blame reports a failure, unless it is not the backend's.
func (x *exchange) blame(ctx context.Context, f *failure) {
	if ctx.Err() == nil && !errors.Is(f.err, errAborted) {
		x.balancer.onFailure(f.backend.id, f.err)
	}
}

// repeatable reports whether the request may be sent again after a failure.
func (x *exchange) repeatable(out *http.Request, f *failure) bool {
	return (!f.sent || idempotent(out)) && x.body.replayable()
}

// idempotent reports whether a request does the same if it is processed twice.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	_, ok := r.Header["Idempotency-Key"]
	return ok
}
