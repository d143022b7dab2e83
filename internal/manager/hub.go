// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// hub is the leader's side of all its followers.
type hub struct {
	mu        sync.Mutex
	shared    map[string]*shared // by UID
	followers map[*follower]bool
	// changed is closed when a follower has told something, or has left.
	changed chan struct{}
	// acquaintance is how long after the beginning of a lead followers may take to
	// come: before that nothing is known to be drained at them.
	acquaintance time.Duration
	// since is when this copy began to lead, and reign is closed when it ends.
	since time.Time
	reign <-chan struct{}
	// awaited are the services whose route is not known yet, nil before it is
	// known which; complete says that there is none left.
	awaited  map[string]bool
	complete bool
}

func newHub() *hub {
	return &hub{shared: map[string]*shared{}, followers: map[*follower]bool{}, changed: make(chan struct{}), acquaintance: 3 * time.Second}
}

// follower is a copy that follows this one. It is guarded by the hub.
type follower struct {
	// pending is what is to be sent next; wake says that there is something.
	pending pending
	wake    chan struct{}
	// states is how far it is with every service.
	states map[string]state
}

// pending gathers what is to be sent to a follower. Of a route only the newest
// version matters.
type pending struct {
	routes    map[string]bool
	abort     map[string][]int64
	elsewhere map[string]int
}

func newPending() pending {
	return pending{map[string]bool{}, map[string][]int64{}, map[string]int{}}
}

func (f *follower) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// join takes in a follower, which is to be told everything.
func (h *hub) join() *follower {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &follower{pending: newPending(), wake: make(chan struct{}, 1), states: map[string]state{}}
	for uid := range h.shared {
		f.pending.routes[uid] = true
	}
	h.followers[f] = true
	return f
}

// leave forgets a follower.
func (h *hub) leave(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
	h.tell()
}

// tell wakes those who wait for followers. The caller holds h.mu.
func (h *hub) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// take gives what is to be sent to a follower.
func (h *hub) take(f *follower) order {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := order{Abort: f.pending.abort, Elsewhere: f.pending.elsewhere, Complete: h.complete}
	for uid := range f.pending.routes {
		if s := h.shared[uid]; s != nil && s.routed {
			o.Routes = append(o.Routes, s.route)
		}
	}
	f.pending = newPending()
	return o
}

// saw takes in what a follower has seen.
func (h *hub) saw(f *follower, s sighting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, st := range s.States {
		f.states[st.UID] = st
	}
	h.tell()
	for uid, n := range s.Arrived {
		if of := h.shared[uid]; of != nil {
			of.Elsewhere(time.Now(), n)
		}
		h.arrived(uid, n, f)
	}
	for uid, more := range s.Busy {
		if of := h.shared[uid]; of != nil {
			of.elsewhere += time.Duration(more)
		}
	}
	for uid, toll := range s.Toll {
		if of := h.shared[uid]; of != nil {
			of.add(toll)
		}
	}
	for _, uid := range s.Waiting {
		if of := h.shared[uid]; of != nil {
			of.hints.arrived()
		}
	}
	for uid, ids := range s.Failed {
		for _, id := range ids {
			if of := h.shared[uid]; of != nil {
				of.hints.failed(id)
			}
		}
	}
}

// arrived tells all followers but one what has arrived. The caller holds h.mu.
func (h *hub) arrived(uid string, n int, but *follower) {
	for f := range h.followers {
		if f != but && n > 0 {
			f.pending.elsewhere[uid] += n
			f.poke()
		}
	}
}

// shared is the traffic of one service at all copies, as its controller in the
// leader has it.
type shared struct {
	*controller.Front
	hub   *hub
	uid   string
	url   func() string
	route route
	// routed says that the backends are known: until then followers go on with
	// those of before. settled is called when they first are.
	routed  bool
	settled func()
	hints   hints

	// elsewhere is for how long requests were under way at the other copies.
	elsewhere time.Duration
	// toll is what failures have cost there, as far as nobody has asked for it yet.
	toll map[int64]balancer.Toll

	// setting is held while backends are put in force; see [shared.SetBackends].
	setting sync.Mutex
	wanted  []balancer.Backend
	turning bool
}

// hints is whom to tell what is noticed; see [controller.Traffic].
type hints struct {
	arrived func()
	failed  func(id int64)
}

var _ controller.Traffic = (*shared)(nil)

// share makes the front of a service stand for all copies.
func (h *hub) share(uid string, front *controller.Front, url func() string, settled func()) *shared {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &shared{Front: front, hub: h, uid: uid, url: url, settled: settled, hints: hints{func() {}, func(int64) {}}}
	h.shared[uid] = s
	return s
}

// unshare forgets it, if it is still what the service has.
func (h *hub) unshare(s *shared) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shared[s.uid] == s {
		delete(h.shared, s.uid)
	}
}

// change makes the route another one, and has it sent to all followers.
func (s *shared) change(f func(*route)) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	f(&s.route)
	s.route.UID = s.uid
	s.route.Version++
	for f := range s.hub.followers {
		f.pending.routes[s.uid] = true
		f.poke()
	}
}

// Attach says whom to tell.
func (s *shared) Attach(arrived func(), failed func(int64)) {
	s.hub.mu.Lock()
	s.hints = hints{arrived, failed}
	s.hub.mu.Unlock()
	s.Front.Attach(arrived, failed)
}

// Serve waits: the door answers requests whoever leads.
func (s *shared) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// URL is where clients reach the service.
func (s *shared) URL() string { return s.url() }

// SetTLS makes all copies speak HTTPS, or HTTP.
func (s *shared) SetTLS(t *serve.TLS) error {
	if err := s.Front.SetTLS(t); err != nil {
		return err
	}
	s.change(func(r *route) { r.TLS = t })
	return nil
}

// Configure configures all copies.
func (s *shared) Configure(settings balancer.Settings) {
	s.Front.Configure(settings)
	s.change(func(r *route) { r.Settings = settings })
}

// Busy is for how long requests have been under way at all copies.
func (s *shared) Busy() time.Duration {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.Front.Busy() + s.elsewhere
}

// Toll is what failures have cost requests at all copies since it was last asked.
func (s *shared) Toll() map[int64]balancer.Toll {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.add(s.Front.Toll())
	toll := s.toll
	s.toll = nil
	return toll
}

// add adds to the toll. The caller holds hub.mu.
func (s *shared) add(toll map[int64]balancer.Toll) {
	if s.toll == nil && len(toll) > 0 {
		s.toll = map[int64]balancer.Toll{}
	}
	for id, t := range toll {
		s.toll[id] = s.toll[id].Plus(t)
	}
}

// SetHold has all copies hold requests for as long.
func (s *shared) SetHold(wait time.Duration) {
	s.setting.Lock()
	defer s.setting.Unlock()
	s.hub.mu.Lock()
	same := s.route.Hold == int64(wait)
	s.hub.mu.Unlock()
	hold := int64(wait)
	if !same {
		s.change(func(r *route) {
			r.Hold = int64(wait)
			hold = r.hold()
		})
	}
	if !s.turning {
		s.Front.SetHold(time.Duration(hold))
	}
}

// Abort has all copies cut what is under way to a replica.
func (s *shared) Abort(id int64) {
	s.Front.Abort(id)
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for f := range s.hub.followers {
		f.pending.abort[s.uid] = append(f.pending.abort[s.uid], id)
		f.poke()
	}
}

// Drain returns when nothing is under way to the replica at any copy.
func (s *shared) Drain(ctx context.Context, id int64) {
	s.Front.Drain(ctx, id)
	s.hub.mu.Lock()
	young := s.hub.acquaintance - time.Since(s.hub.since)
	s.hub.mu.Unlock()
	if young > 0 && !sleep(ctx, young) {
		return
	}
	for {
		busy, changed := s.busy(id)
		if !busy {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// busy reports whether a follower may still have something under way to a replica.
func (s *shared) busy(id int64) (bool, <-chan struct{}) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for f := range s.hub.followers {
		st := f.states[s.uid]
		if st.Version < s.route.Version || slices.Contains(st.Busy, id) {
			return true, s.hub.changed
		}
	}
	return false, s.hub.changed
}
