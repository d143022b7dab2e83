// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"net/http"
	"sync/atomic"
	"time"
)

// exchange is one client's request and what becomes of it.
type exchange struct {
	balancer *Balancer
	client   http.ResponseWriter
	request  *http.Request
	body     body
	sending  *sending // of this try; nil without a body
	head     []byte   // as it was last sent
	plain    plain    // the answer, if it is one

	// The answer, once there is one, and where it comes from.
	backend  *backend
	conn     *conn
	reusable bool // the backend keeps the connection
	spent    bool // the answer was read to its end
	answered atomic.Bool
	whole    atomic.Bool // all of it is here, whatever becomes of the connection

	sticky  string // what tells the session, empty for none
	cookie  string // to be set with the answer
	began   time.Time
	status  int   // of the answer
	written int64 // bytes of its body
}

// ServeHTTP hands the request to a backend and passes on the response.
func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began, rules := time.Now(), &b.current.Load().rules
	x := b.newExchange(w, r)
	x.began = began
	b.counters.enter(began.Sub(b.epoch))
	// Deferred, because a response that breaks off ends by a panic.
	defer x.finish()
	if rules.accessLog {
		defer x.note()
	}
	if err := x.admit(rules); err != nil {
		x.fail(err)
		return
	}
	b.arrivals.add(began.Unix())
	resp, err := x.ask()
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		err = x.tunnel(resp)
	} else if err == nil {
		if err := x.relay(resp); err != nil {
			x.lost(err)
			// The client has the beginning, and must see that this is all.
			panic(http.ErrAbortHandler)
		}
	}
	if err != nil {
		x.fail(err)
	}
}

// newExchange begins an exchange, in the memory of an earlier one.
func (b *Balancer) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x, ok := b.exchanges.Get().(*exchange)
	if !ok {
		x = &exchange{balancer: b}
	}
	x.client, x.request = w, r
	if hasBody(r) {
		x.body.source, x.body.pool = r.Body, &b.bodies
	}
	return x
}

// ask gets the answer of a backend.
func (x *exchange) ask() (*http.Response, error) {
	if err := check(x.request); err != nil {
		return nil, err
	}
	if err := x.balancer.await(x.request.Context(), nil); err != nil {
		return nil, err
	}
	return x.roundTrip()
}

// answer takes over the response of a backend.
func (x *exchange) answer(be *backend, c *conn, resp *http.Response) {
	x.backend, x.conn = be, c
	x.reusable = !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols
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
	x.balancer.counters.exit(x.began.Sub(x.balancer.epoch), x.balancer.elapsed())
	x.balancer.counters.answered(x.status)
	if c := x.conn; c != nil {
		// A backend may answer before it was sent everything.
		x.body.stop(x.client)
		usable := x.reusable && x.spent && x.sending.finished(&x.body) && c.reader.Buffered() == 0
		if c.end() != nil || !usable || !x.backend.keep(c) {
			c.close()
		}
		x.backend.release()
	}
	// What sends a body may outlast the exchange, until the client's part in it
	// has ended.
	if x.body.source == nil {
		head := x.head
		if cap(head) > readerSize {
			head = nil
		}
		fields := x.plain.Header
		*x = exchange{balancer: x.balancer, head: head[:0]}
		x.plain.Header = fields
		x.balancer.exchanges.Put(x)
	}
}

// interrupt ends the exchange's waiting for its client. It is called with the
// connection's lock held, which also says that the exchange is not finished.
func (x *exchange) interrupt() {
	x.body.stop(x.client)
	if x.answered.Load() && !x.whole.Load() {
		// A client that takes no more cannot be told anything, only left.
		_ = http.NewResponseController(x.client).SetWriteDeadline(time.Unix(1, 0))
	}
}
