// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package balancer is the data plane: the [http.Handler] behind a service's
// endpoint, which hands every request to one of the replicas that are ready.
// It imports only the standard library and knows nothing of services, clouds
// or policies; whoever decides which replicas are ready pushes them with
// [Balancer.SetBackends], and the very next request sees the new set.
//
// # The way of a request
//
// A request is counted (window.go). When nothing is ready it is answered 503,
// or waits for a bounded time while replicas are on their way (hold.go). It is
// then given to a backend (pick.go), over a connection kept from an earlier
// request or a new one (backend.go, conn.go), and the response is passed on
// piece by piece as it comes (proxy.go). If the backend fails before it began
// to answer, another one may be tried (retry.go).
//
// # What is repeated
//
// A request meets at most three backends and never the same one twice. It is
// repeated only if that cannot do anything twice: because nothing of it was
// sent, or because its method is idempotent or it carries an Idempotency-Key.
// Either way its body must be there to be sent again: what a client has sent so
// far is remembered up to 64 KiB. A POST that was sent and not answered is a
// 502, never a second POST. Any status a backend answers with is final.
//
// A connection kept from an earlier request may have been closed by the backend
// just as it was used again, which says nothing about the backend. When no
// other backend is left, such a request has a second try on a new connection,
// under the same rules.
//
// # What it is built on
//
// The server of net/http reads requests and writes responses, whatever version
// of HTTP a client speaks. The way to a backend is our own HTTP/1.1: the request
// is written in one piece (request.go), its body as it comes (send.go), and the
// response, which [http.ReadResponse] parses, is passed on (receive.go) or
// becomes a tunnel (tunnel.go). A goroutine does all of this from start to end,
// the server's for the client's connection: nothing is handed from one to
// another, which is what costs most in [httputil.ReverseProxy] over
// [http.Transport]. Only the body of a request, if there is one, has a goroutine
// of its own, because an answer may come before its end.
//
// How long a message is, is never copied from one side to the other but said
// anew for each, and what was read can be written in one way only (fields.go):
// two servers that disagree about where a request ends are how requests are
// smuggled.
//
// What has come from a backend is flushed to the client before the backend is
// waited for, and not earlier: no byte is held back, and yet a response that
// comes in one piece leaves in one.
//
// Connections are kept in a pool for each backend, which the transport's cannot
// replace. It silently repeats requests on connections that turn out dead, so
// that one backend may see a request several times; it does not say whether a
// failed request was sent; it keys connections by address, which a new replica
// may inherit from an old one; and it has one lock for all. Here the connections
// of a backend can also be cut at once, which is what [Balancer.Abort] does.
//
// # Concurrency
//
// The backends and settings are one immutable snapshot behind an atomic
// pointer. A request takes no lock but its backend's, twice and for a moment:
// to take a connection and to give it back. What becomes of it is counted without
// one (stats.go, toll.go). The package needs no Close:
// connections close when idle, and there is no goroutine for one that is.
package balancer

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// What Options leave out.
const (
	defaultStreamTimeout = 120 * time.Second
	defaultMaxHeld       = 1000
)

// Backend is a replica that can take requests.
type Backend struct {
	// ID is the identity of the replica; requests in flight are counted by it.
	ID int64
	// Address is where the replica listens, "host:port".
	Address string
	// Way says how it is reached, in the words of whoever dials; empty is plainly.
	Way string
	// Weight is the number of requests per second the replica is meant to take,
	// used by instance_aware_least_load; 0 or less means 1.
	Weight float64
}

// Dial makes a connection to the server of a backend, by its way and address.
type Dial func(ctx context.Context, way, address string) (net.Conn, error)

// Options are the settings of a [Balancer]. The zero value of each field is a
// usable default.
type Options struct {
	Settings
	// MaxHeld is how many requests may wait at a time; more are answered 503 at once.
	MaxHeld int
	// OnArrival is called when a request arrives while no backend is ready. It
	// runs on the request's path and must not block.
	OnArrival func()
	// OnFailure is called when a backend could not be connected to or broke a
	// request off. It runs on the request's path and must not block.
	OnFailure func(id int64, err error)
	// Log is where requests that failed are told of, at debug level, and every
	// request where there is to be an access log.
	Log *slog.Logger
}

// Balancer hands requests to backends. Its methods may be called at any time
// from any goroutine.
type Balancer struct {
	maxHeld   int64
	onArrival func()
	onFailure func(id int64, err error)
	log       *slog.Logger

	// dial makes connections to backends; see SetDial.
	dial atomic.Pointer[Dial]
	// epoch is what monotonic times are counted from.
	epoch time.Time

	current  atomic.Pointer[snapshot]
	turn     atomic.Uint64 // rotates who is looked at first
	held     atomic.Int64
	counters counters
	bounds   []time.Duration
	arrivals window
	others   window // what arrived at other copies; see Elsewhere

	bodies    sync.Pool // of *bytes.Buffer, for what is remembered of request bodies
	buffers   buffers
	exchanges sync.Pool // of *exchange

	mu    sync.Mutex         // guards changes of current, and what follows
	known map[int64]*backend // by id: those in current, and those that left and are not idle yet
	past  []*backend         // those forgotten last
}

// New makes a balancer without backends.
func New(o Options) *Balancer {
	b := &Balancer{
		maxHeld:   int64(o.MaxHeld),
		onArrival: o.OnArrival,
		onFailure: o.OnFailure,
		log:       o.Log,
		epoch:     time.Now(),
		known:     map[int64]*backend{},
		bounds:    Bounds(),
	}
	if b.maxHeld <= 0 {
		b.maxHeld = defaultMaxHeld
	}
	if b.onArrival == nil {
		b.onArrival = func() {}
	}
	if b.onFailure == nil {
		b.onFailure = func(int64, error) {}
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.SetDial(nil)
	b.bodies.New = func() any { return new(bytes.Buffer) }
	b.current.Store(&snapshot{
		rules:    o.Settings.rules(),
		replaced: make(chan struct{}),
	})
	return b
}

// SetBackends replaces the set of backends. Requests that wait for one go on at
// once. Backends are told apart by ID: one that stays keeps its count of
// requests in flight, and one that leaves is given no more requests but keeps
// its count until it is idle, and may come back.
func (b *Balancer) SetBackends(backends []Backend) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := make([]target, 0, len(backends))
	stays := make(map[int64]bool, len(backends))
	for _, spec := range backends {
		if stays[spec.ID] {
			continue
		}
		stays[spec.ID] = true
		be := b.known[spec.ID]
		if be == nil {
			be = newBackend(b, spec.ID)
			b.known[spec.ID] = be
		}
		be.join(spec.Way, spec.Address)
		if spec.Weight <= 0 {
			spec.Weight = 1
		}
		next = append(next, target{backend: be, weight: spec.Weight})
	}
	// Published before the others leave: a request that picks one that is leaving
	// is refused by it, and must then find the new set.
	b.publish(func(s *snapshot) { s.targets = next })
	for id, be := range b.known {
		if !stays[id] && be.leave() {
			b.retire(be)
		}
	}
}

// SetDial replaces how connections to backends are made; nil makes them plainly,
// as at first. Connections there are stay as they are.
func (b *Balancer) SetDial(dial Dial) {
	if dial == nil {
		dial = func(ctx context.Context, _, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	b.dial.Store(&dial)
}

// Configure changes the settings; the stream timeout for requests under way too.
func (b *Balancer) Configure(settings Settings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish(func(s *snapshot) { s.rules = settings.rules() })
}

// SetHold says for how long a request may wait when no backend is ready, as it
// should while replicas are on their way; 0, as it is at first, has it answered
// 503 at once. What is less than a request has waited already ends its waiting.
func (b *Balancer) SetHold(wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current.Load().hold != wait {
		b.publish(func(s *snapshot) { s.hold = wait })
	}
}

// Requests is the number of requests that arrived in the 60 seconds up to now,
// here and elsewhere, whatever became of them.
func (b *Balancer) Requests(now time.Time) int {
	return b.arrivals.sum(now.Unix()) + b.others.sum(now.Unix())
}

// Arrived is the number of requests that arrived here within the second of at,
// which must not be more than 59 seconds ago.
func (b *Balancer) Arrived(at time.Time) int { return b.arrivals.in(at.Unix()) }

// Elsewhere counts requests for the same backends that arrived at another
// balancer, as of now.
func (b *Balancer) Elsewhere(now time.Time, n int) {
	b.others.addMany(now.Unix(), uint32(max(n, 0)))
}

// InFlight is the number of requests under way to a backend, upgraded
// connections included.
func (b *Balancer) InFlight(id int64) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if be := b.known[id]; be != nil {
		return be.inFlight()
	}
	return 0
}

// Leaving lists the backends that are not in the set any more and still have
// requests in flight, in no order.
func (b *Balancer) Leaving() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []int64
	for id, be := range b.known {
		if be.state.Load() < 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// Drained gives a channel that is closed once the backend is not in the set and
// has no request in flight. It is closed already if that is so now.
func (b *Balancer) Drained(id int64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if be := b.known[id]; be != nil {
		return be.drained
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}

// Abort cuts the requests still in flight to a backend that left: its time to
// drain is over, or it is gone. Those that may be repeated are tried elsewhere.
func (b *Balancer) Abort(id int64) {
	b.mu.Lock()
	be := b.known[id]
	b.mu.Unlock()
	if be != nil {
		be.abort()
	}
}

func streamTimeout(d time.Duration) time.Duration {
	if d <= 0 {
		return defaultStreamTimeout
	}
	return d
}
