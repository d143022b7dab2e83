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

// roundTrip sends the request to one backend after the other, until one answers
// or the request must not be repeated.
func (x *exchange) roundTrip() (*http.Response, error) {
	if x.body.source != nil {
		defer x.body.forget()
	}
	var tried [maxTries]*backend
	var stale *backend
	last := errNotReady
	for i := range maxTries {
		be, fresh := x.next(tried[:i], stale)
		if fresh {
			stale = nil
		}
		if be == nil {
			break
		}
		tried[i] = be
		if i > 0 {
			x.balancer.counters.retries.Add(1)
			if failed := tried[i-1]; failed != be {
				failed.toll.retried.Add(1)
			}
		}
		resp, err := x.try(be, fresh)
		if err == nil {
			return resp, nil
		}
		be.release()
		last = err
		var f *failure
		if x.request.Context().Err() != nil || !errors.As(err, &f) || !x.repeatable(f) {
			break
		}
		if f.stale {
			stale = be
		}
	}
	return nil, last
}

// next acquires the backend for the next try: one that was not tried yet, or one
// anew that may have closed the connection just as it was used again, or one that
// comes while the request waits.
func (x *exchange) next(tried []*backend, stale *backend) (be *backend, fresh bool) {
	if be := x.balancer.pick(x.sticky, tried); be != nil {
		return be, false
	}
	if stale != nil && stale.acquire() {
		return stale, true
	}
	if len(tried) > 0 && x.balancer.await(x.request.Context(), tried) == nil {
		return x.balancer.pick(x.sticky, tried), false
	}
	return nil, false
}

// try sends the request to an acquired backend. Without an error, the backend
// and its connection are the exchange's until it is finished.
func (x *exchange) try(be *backend, fresh bool) (*http.Response, error) {
	ctx := x.request.Context()
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
		var resp *http.Response
		if resp, err = x.talk(c); err == nil {
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

// talk sends the request and gets the head of its answer. After an error the
// body is read no more, so that it can be started over.
func (x *exchange) talk(c *conn) (*http.Response, error) {
	x.body.rewind()
	x.sending = nil
	x.head = appendHead(x.head[:0], x.request, c.address)
	if _, err := c.Write(x.head); err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	if x.body.source != nil {
		x.sending = x.startSending(c)
	}
	resp, err := x.receive(c)
	if err == nil {
		err = x.gather(c, resp)
	}
	x.sending.decide(false)
	if err != nil && x.sending != nil {
		// It may be writing to the backend, which ends now, or waiting for the
		// client, which ends when that has been silent for too long.
		c.Conn.Close()
		<-x.sending.done
	}
	return resp, err
}

// blame reports a failure, unless it is not the backend's.
func (x *exchange) blame(ctx context.Context, f *failure) {
	if ctx.Err() == nil && !errors.Is(f.err, errAborted) {
		x.balancer.onFailure(f.backend.id, f.err)
	}
}

// repeatable reports whether the request may be sent again after a failure.
func (x *exchange) repeatable(f *failure) bool {
	return (!f.sent || idempotent(x.request)) && x.body.replayable()
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
