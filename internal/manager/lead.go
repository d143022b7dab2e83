// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// lead has this copy decide until ctx ends: it gives every declaration a port,
// and has a tenure of its service for as long as it is declared.
func (m *Manager) lead(ctx context.Context) {
	m.o.Log.Info("this copy leads")
	m.hub.begin(ctx)
	defer m.hub.end()
	var tenures sync.WaitGroup
	defer tenures.Wait()
	tenures.Go(func() { m.count(ctx) })
	l := &leadership{m: m, running: map[string]*tenure{}, published: map[string]int{}}
	for {
		all, known, changed := m.list.get()
		retry := (<-chan time.Time)(nil)
		if known {
			// First of all, as a tenure may know its route as soon as it has begun.
			m.hub.expect(m, all)
			if !l.settle(ctx, all, &tenures) {
				retry = time.After(tenurePause)
			}
		}
		select {
		case <-changed:
		case <-retry:
		case <-ctx.Done():
			m.o.Log.Info("this copy does not lead any more")
			return
		}
	}
}

// leadership is what one lead has begun.
type leadership struct {
	m *Manager
	// running are the tenures by the name of their service: two of one name, of
	// declarations that followed one another, must not overlap.
	running map[string]*tenure
	// published are the ports given, by UID.
	published map[string]int
}

// settle makes ports and tenures agree with what is declared, and reports
// whether all of it could be done.
func (l *leadership) settle(ctx context.Context, all []serve.Declaration, tenures *sync.WaitGroup) bool {
	declared := map[string]string{}
	for _, d := range all {
		declared[d.Name] = d.UID
	}
	for name, t := range l.running {
		select {
		case <-t.done:
			delete(l.running, name)
		default:
			if declared[name] != t.uid {
				t.cancel()
			}
		}
	}
	for _, d := range all {
		if l.running[d.Name] != nil || d.Port == 0 && !d.Deleting {
			continue
		}
		tenured, cancel := context.WithCancel(ctx)
		t := &tenure{m: l.m, name: d.Name, uid: d.UID, cancel: cancel, done: make(chan struct{})}
		l.running[d.Name] = t
		tenures.Go(func() {
			defer l.m.list.tell() // look again what is to be done with its name
			defer close(t.done)
			defer cancel()
			t.run(tenured)
		})
	}
	settled := true
	for _, d := range all {
		if d.Port == 0 && !d.Deleting || d.Port != 0 && l.published[d.UID] == 0 {
			settled = l.publish(ctx, d, all) && settled
		}
	}
	return settled
}

// publish gives a declaration a port that no other has, or makes sure that the
// one it has is published in full.
func (l *leadership) publish(ctx context.Context, d serve.Declaration, all []serve.Declaration) bool {
	port := d.Port
	if port == 0 {
		port = l.published[d.UID] // given, and not heard back yet
	}
	for port == 0 {
		var taken []int
		for _, other := range all {
			taken = append(taken, other.Port, l.published[other.UID])
		}
		for port = l.m.o.FirstPort; slices.Contains(taken, port); port++ {
		}
	}
	err := l.m.o.Directory.Publish(ctx, d.Name, d.UID, port)
	switch {
	case err == nil:
		l.published[d.UID] = port
	case errors.Is(err, serve.ErrNotFound):
		// It is not declared any more; the next list will say so.
	case ctx.Err() == nil:
		l.m.o.Log.Error("a service's endpoint could not be published; trying again", "service", d.Name, "error", err)
		l.m.refuse(ctx, d, "Its endpoint could not be made: "+err.Error())
		return false
	}
	return true
}

// refuse reports why nothing can be done for a declaration.
func (m *Manager) refuse(ctx context.Context, d serve.Declaration, why string) {
	err := m.o.Directory.Report(ctx, d.Name, d.UID, serve.Report{Generation: d.Generation, Refused: why})
	if err != nil && ctx.Err() == nil && !errors.Is(err, serve.ErrNotFound) {
		m.o.Log.Warn("reporting on a service failed", "service", d.Name, "error", err)
	}
}

// count tells the followers what arrives at the leader.
func (m *Manager) count(ctx context.Context) {
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-beat.C:
			m.hub.mu.Lock()
			for uid, s := range m.hub.shared {
				m.hub.arrived(uid, s.Arrived(now.Add(-pulse)), nil)
			}
			m.hub.mu.Unlock()
		}
	}
}

// begin opens the hub for followers until end, or until ctx ends.
func (h *hub) begin(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since, h.reign, h.awaited = time.Now(), ctx.Done(), nil
	h.complete = false
}

// end closes it.
func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reign = nil
}

// reign is closed when this copy does not lead any more; nil while it does not
// lead at all.
func (m *Manager) reign() <-chan struct{} {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	return m.hub.reign
}

// expect says which services the leader must know the routes of before it can
// tell followers that they know all: those that had an endpoint when it began.
func (h *hub) expect(m *Manager, all []serve.Declaration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.awaited == nil {
		h.awaited = map[string]bool{}
		for _, d := range all {
			if d.Port != 0 {
				h.awaited[d.UID] = true
			}
		}
	}
	for uid := range h.awaited {
		if !slices.ContainsFunc(all, func(d serve.Declaration) bool { return d.UID == uid }) {
			delete(h.awaited, uid)
		}
	}
	h.completed(m)
}

// routed tells the hub that a service's route is known, or cannot be.
func (h *hub) routed(m *Manager, uid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.awaited, uid)
	h.completed(m)
}

// completed has every follower told once all routes are known. The caller holds
// h.mu.
func (h *hub) completed(m *Manager) {
	if h.complete || h.awaited == nil || len(h.awaited) > 0 {
		return
	}
	h.complete = true
	m.synced.Store(true)
	for f := range h.followers {
		f.poke()
	}
}
