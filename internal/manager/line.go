// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
)

// line is a follower's end of the connection to its leader: it carries out what
// it is ordered, and gathers what is to be told.
type line struct {
	m       *Manager
	workers sync.WaitGroup
	// unopened are routes whose door is not open yet.
	unopened map[string]route
	// complete says that the leader has no more routes to tell; what is unopened
	// is missing yet.
	complete bool

	mu sync.Mutex
	// versions are those of the routes in force, waitedFor the replicas whose
	// drain is waited for.
	versions  map[string]uint64
	waitedFor map[string]map[int64]bool
	// turns are the routes in force that others follow.
	turns  map[string]route
	next   sighting
	states map[string]bool
	// counted is how many requests of the last two seconds were told already.
	counted map[string]map[int64]int
	// busy is for how long requests had been under way when that was told last.
	busy map[string]time.Duration
	wake chan struct{}
}

func newLine(m *Manager) *line {
	return &line{
		m: m, unopened: map[string]route{},
		versions: map[string]uint64{}, turns: map[string]route{}, waitedFor: map[string]map[int64]bool{},
		next: sighting{Failed: map[string][]int64{}}, states: map[string]bool{},
		counted: map[string]map[int64]int{}, busy: map[string]time.Duration{}, wake: make(chan struct{}, 1),
	}
}

// obey carries out an order.
func (l *line) obey(ctx context.Context, o order) {
	for _, r := range o.Routes {
		l.unopened[r.UID] = r
	}
	l.complete = l.complete || o.Complete
	l.retry(ctx)
	for uid, ids := range o.Abort {
		if front := l.m.front(uid); front != nil {
			for _, id := range ids {
				front.Abort(id)
			}
		}
	}
	for uid, n := range o.Elsewhere {
		if front := l.m.front(uid); front != nil {
			front.Elsewhere(time.Now(), n)
		}
	}
}

// retry puts in force the routes whose door is open.
func (l *line) retry(ctx context.Context) {
	for uid, r := range l.unopened {
		if front := l.m.front(uid); front != nil {
			l.apply(ctx, front, r)
			delete(l.unopened, uid)
		}
	}
	if l.complete && len(l.unopened) == 0 {
		l.m.synced.Store(true)
	}
}

// apply puts a route in force, and waits for the drain of what is not in it.
func (l *line) apply(ctx context.Context, front *controller.Front, r route) {
	if err := front.SetTLS(r.TLS); err != nil {
		l.m.o.Log.Error("a service's certificate cannot be used", "error", err)
	}
	front.Configure(r.Settings)
	enforce(front, r.Backends, r.hold())
	front.Attach(
		func() { l.note(func() { l.next.Waiting = append(l.next.Waiting, r.UID) }) },
		func(id int64) { l.note(func() { l.next.Failed[r.UID] = append(l.next.Failed[r.UID], id) }) },
	)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.versions[r.UID] = r.Version
	l.states[r.UID] = true
	delete(l.turns, r.UID)
	if len(r.Next) > 0 {
		l.turns[r.UID] = r
	}
	l.poke()
	if l.waitedFor[r.UID] == nil {
		l.waitedFor[r.UID] = map[int64]bool{}
	}
	for _, id := range front.Leaving() {
		if l.waitedFor[r.UID][id] {
			continue
		}
		l.waitedFor[r.UID][id] = true
		l.workers.Go(func() {
			front.Drain(ctx, id)
			l.note(func() {
				delete(l.waitedFor[r.UID], id)
				l.states[r.UID] = true
			})
		})
	}
}

// note changes what is to be told next.
func (l *line) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	l.poke()
}

func (l *line) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// tell tells the leader what is seen, as it is seen, and what has arrived.
func (l *line) tell(ctx context.Context, out *json.Encoder) {
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for {
		select {
		case <-l.wake:
		case <-beat.C:
		case <-ctx.Done():
			return
		}
		if s := l.take(); !s.empty() && out.Encode(s) != nil {
			return
		}
	}
}

func (s sighting) empty() bool {
	return len(s.Arrived)+len(s.Busy)+len(s.Toll)+len(s.Waiting)+len(s.Failed)+len(s.States) == 0
}

// take gives what there is to tell.
func (l *line) take() sighting {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.next
	l.next = sighting{Failed: map[string][]int64{}}
	for uid := range l.states {
		st := state{UID: uid, Version: l.versions[uid]}
		if front := l.m.front(uid); front != nil {
			st.Busy = front.Leaving()
		}
		s.States = append(s.States, st)
	}
	clear(l.states)
	s.Waiting = slices.Compact(slices.Sorted(slices.Values(s.Waiting)))
	s.Arrived = l.arrived(time.Now())
	s.Busy, s.Toll = map[string]int64{}, map[string]map[int64]balancer.Toll{}
	for uid := range l.versions {
		if front := l.m.front(uid); front != nil {
			now := front.Busy()
			if before, known := l.busy[uid]; known && now > before {
				s.Busy[uid] = int64(now - before)
			}
			l.busy[uid] = now
			if toll := front.Toll(); len(toll) > 0 {
				s.Toll[uid] = toll
			}
		}
	}
	return s
}

// arrived gives how many requests have come since it was last asked. The caller
// holds l.mu.
func (l *line) arrived(now time.Time) map[string]int {
	arrived := map[string]int{}
	for uid := range l.versions {
		front := l.m.front(uid)
		if front == nil {
			continue
		}
		fresh := map[int64]int{}
		for _, at := range []time.Time{now.Add(-time.Second), now} {
			n := front.Arrived(at)
			arrived[uid] += n - l.counted[uid][at.Unix()]
			fresh[at.Unix()] = n
		}
		l.counted[uid] = fresh
	}
	maps.DeleteFunc(arrived, func(_ string, n int) bool { return n <= 0 })
	return arrived
}

// hangUp ends the line: what is noticed from now on, nobody is told.
func (l *line) hangUp() {
	l.workers.Wait()
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	for uid := range l.versions {
		if d := l.m.doors[uid]; d != nil && d.front != nil && l.m.reign() == nil {
			d.front.Attach(func() {}, func(int64) {})
			if r, ok := l.turns[uid]; ok {
				enforce(d.front, r.Next, r.Hold)
			}
		}
	}
}
