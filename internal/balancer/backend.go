// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// snapshot is everything a request needs to know, immutable once published.
type snapshot struct {
	targets []target
	rules
	hold time.Duration // see [Balancer.SetHold]
	// replaced is closed when a newer snapshot is there.
	replaced chan struct{}
}

// target is a backend in the set.
type target struct {
	*backend
	weight float64
}

// publish makes a changed copy of the snapshot the current one. The caller
// holds b.mu.
func (b *Balancer) publish(change func(*snapshot)) {
	old := b.current.Load()
	next := *old
	next.replaced = make(chan struct{})
	change(&next)
	b.current.Store(&next)
	close(old.replaced)
}

// left is the flag in backend.state of a backend that is not in the set. It is
// the sign bit, so that counting requests does not touch it.
const left = math.MinInt64

// maxIdle is how many connections to a backend are kept for later.
const maxIdle = 512

// errAborted is why a request was cut off by [Balancer.Abort].
var errAborted = errors.New("the replica was taken away")

// backend is one replica. It outlives its place in the set until it is idle.
type backend struct {
	id       int64
	balancer *Balancer
	// state is the number of requests in flight, with the flag left.
	state atomic.Int64
	// suspect is until when other backends are preferred, as time since the epoch.
	suspect atomic.Int64
	// toll is what it has cost requests; see toll.go.
	toll toll
	// drained is closed when the backend has left and is idle.
	drained chan struct{}

	mu           sync.Mutex // guards what follows
	way, address string
	aborted      bool
	conns        map[*conn]struct{} // all of them, also those being made
	idle         []*conn            // the most recently used last
}

func newBackend(b *Balancer, id int64) *backend {
	return &backend{id: id, balancer: b, drained: make(chan struct{}), conns: map[*conn]struct{}{}}
}

// inFlight is the number of requests under way.
func (be *backend) inFlight() int { return int(be.state.Load() & math.MaxInt64) }

// acquire counts a request, or reports false if the backend has left: then
// nothing can be given to it any more, however old the snapshot it was found in.
func (be *backend) acquire() bool {
	if be.state.Add(1) < 0 {
		be.release()
		return false
	}
	return true
}

// release ends what acquire began.
func (be *backend) release() {
	if be.state.Add(-1) == left {
		be.balancer.mu.Lock()
		defer be.balancer.mu.Unlock()
		be.balancer.retire(be)
	}
}

// join puts the backend into the set, with a clean record.
func (be *backend) join(way, address string) {
	be.mu.Lock()
	be.aborted = false
	var stale []*conn
	if be.way != way || be.address != address {
		be.way, be.address, stale, be.idle = way, address, be.idle, nil
	}
	be.mu.Unlock()
	for _, c := range stale {
		c.close()
	}
	be.suspect.Store(0)
	be.state.And(math.MaxInt64)
}

// leave takes the backend out of the set and reports whether it is idle.
func (be *backend) leave() bool {
	be.state.Or(left)
	return be.state.Load() == left
}

// retire forgets a backend that has left and is idle. The caller holds b.mu.
func (b *Balancer) retire(be *backend) {
	// It may have come back, or been retired, since the caller looked.
	if be.state.Load() != left || b.known[be.id] != be {
		return
	}
	delete(b.known, be.id)
	b.pass(be)
	be.mu.Lock()
	idle := be.idle
	be.idle = nil
	be.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	close(be.drained)
}

// abort cuts every connection. If the backend has left, a request that is just
// about to connect will find that it is too late.
func (be *backend) abort() {
	be.mu.Lock()
	be.aborted = be.state.Load() < 0
	cut := make([]*conn, 0, len(be.conns))
	for c := range be.conns {
		cut = append(cut, c)
	}
	be.mu.Unlock()
	for _, c := range cut {
		c.cut(errAborted)
	}
}

// connect gives a connection for one request: the one used last, which is the
// least likely to have been closed by the other side, or a new one. Each is
// looked at first, however short a moment ago it was used: what a backend has
// sent unasked would be taken for the answer to the next request.
func (be *backend) connect(ctx context.Context, fresh bool) (*conn, error) {
	for !fresh {
		c, err := be.reuse()
		switch {
		case err != nil:
			return nil, err
		case c == nil:
			fresh = true
		case c.alive():
			c.reused = true
			return c, nil
		default:
			c.close()
		}
	}
	be.mu.Lock()
	if be.aborted {
		be.mu.Unlock()
		return nil, errAborted
	}
	c := &conn{backend: be, way: be.way, address: be.address}
	be.conns[c] = struct{}{}
	be.mu.Unlock()
	if err := c.open(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// reuse takes the connection used last out of the store, if there is any.
func (be *backend) reuse() (*conn, error) {
	be.mu.Lock()
	defer be.mu.Unlock()
	if be.aborted {
		return nil, errAborted
	}
	last := len(be.idle) - 1
	if last < 0 {
		return nil, nil
	}
	c := be.idle[last]
	be.idle[last] = nil
	be.idle = be.idle[:last]
	return c, nil
}

// keep stores a connection for a later request and reports whether there was
// use for it. Its timer runs on: what it is set for is found out when it fires.
func (be *backend) keep(c *conn) bool {
	be.mu.Lock()
	defer be.mu.Unlock()
	if be.state.Load() < 0 || c.way != be.way || c.address != be.address || len(be.idle) >= maxIdle {
		return false
	}
	be.idle = append(be.idle, c)
	return true
}

// idleness is how things stand with a connection whose timer has fired.
type idleness uint8

const (
	inUse   idleness = iota
	waiting          // it is kept, and may be for a while yet
	expired          // it was kept for long enough, and is no more
)

// expire takes a connection out of the store if it was there for too long.
func (be *backend) expire(c *conn, quiet time.Duration) idleness {
	be.mu.Lock()
	defer be.mu.Unlock()
	i := slices.Index(be.idle, c)
	switch {
	case i < 0:
		return inUse
	case quiet < idleTimeout:
		c.timer.Reset(idleTimeout - quiet)
		return waiting
	}
	be.idle = slices.Delete(be.idle, i, i+1)
	return expired
}

// forget drops a connection that is closed.
func (be *backend) forget(c *conn) {
	be.mu.Lock()
	defer be.mu.Unlock()
	delete(be.conns, c)
}
