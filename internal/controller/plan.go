// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// consult asks policy and turns its decisions into records. The decisions are
// carried out by later steps, after the records are saved.
func (l *loop) consult() {
	l.dirty = false
	at := now()
	l.plan = policy.Plan(at, policy.Input{
		Spec:     l.state.Spec,
		Revision: l.state.Revision,
		Replicas: slices.Clone(l.state.Replicas),
		Offers:   l.offers.list,
		Requests: l.c.o.Traffic.Requests(at),
		Good:     l.state.Good,
		Restarts: l.restarts(),
		NextID:   l.state.NextID,
		Memory:   l.memory,

		Concurrency: l.concurrency(at),
		Metric:      l.metric.known(at),
	})
	l.remember(l.plan.Memory)
	if l.plan.Good && l.state.Good != l.state.Revision {
		l.proven()
	}
	if why := l.setback(); why.Reason != "" {
		l.rollBack(why)
		return
	}
	for _, d := range l.plan.Decisions {
		if err := l.accept(d); err != nil {
			// The safety checks are meant never to fail. When one does, the decision is
			// dropped and said, and the service goes on with what it has.
			l.note(serve.EventError, d.ReplicaID, "A decision was refused: %v (%s)", err, d.Reason)
		}
	}
}

// busy is how long requests had been under way at a moment, all together.
type busy struct {
	at  time.Time
	sum time.Duration
}

// concurrency is how many requests were under way as the mean of the last minute,
// or of the time since the first look.
func (l *loop) concurrency(at time.Time) float64 {
	latest := busy{at, l.c.o.Traffic.Busy()}
	if n := len(l.busy); n == 0 || at.Sub(l.busy[n-1].at) >= time.Second {
		l.busy = append(l.busy, latest)
	}
	// The newest of those that are a minute old is where the minute begins.
	for len(l.busy) > 1 && at.Sub(l.busy[1].at) >= policy.Window {
		l.busy = l.busy[1:]
	}
	first := l.busy[0]
	if took := at.Sub(first.at); took > 0 {
		return max(0, (latest.sum-first.sum).Seconds()/took.Seconds())
	}
	return 0
}

// remember keeps what policy asks to have kept. That it has looked at the load
// once more is not worth a save.
func (l *loop) remember(m policy.Memory) {
	before, after := l.memory, m
	before.Load.Seen, after.Load.Seen = time.Time{}, time.Time{}
	if !reflect.DeepEqual(before, after) {
		l.touched = true
	}
	l.memory = m
}

// accept checks a decision against the safety rules and records it.
func (l *loop) accept(d serve.Decision) error {
	if d.Action == serve.Launch {
		if err := l.checkLaunch(d); err != nil {
			return err
		}
	}
	if err := l.state.Accept(d, now()); err != nil {
		return err
	}
	switch d.Action {
	case serve.Terminate:
		l.end(l.state.Find(d.ReplicaID), d.Cause, "")
	case serve.Restart:
		l.renew(l.state.Find(d.ReplicaID))
	}
	l.touched = true
	l.record(serve.Event{Kind: serve.EventDecision, ReplicaID: d.ReplicaID, Decision: &d, Message: describe(d)})
	return nil
}

// checkLaunch holds the invariants that keep a fault in policy from becoming a
// bill: a launch has a reason, and never do more machines live than any rule
// allows.
func (l *loop) checkLaunch(d serve.Decision) error {
	if d.Reason == "" {
		return fmt.Errorf("launching replica %d has no reason", d.ReplicaID)
	}
	live, limit := 0, policy.Most(l.state.Spec.ReplicaPolicy)
	for _, r := range l.state.Replicas {
		if r.Revision == l.state.Revision && !r.Status().IsTerminal() {
			live++
		}
	}
	if live >= limit {
		return fmt.Errorf("%d replicas of revision %d are alive already, and %d are the most there can be", live, l.state.Revision, limit)
	}
	return nil
}

// describe says a decision in a sentence.
func describe(d serve.Decision) string {
	switch d.Action {
	case serve.Launch, serve.Retry:
		where := "when a place is found"
		if !d.Offer.IsZero() {
			where = "in " + d.Offer.Location.String()
		}
		return fmt.Sprintf("%s %s replica %d %s: %s", map[serve.Action]string{serve.Launch: "Launch", serve.Retry: "Try"}[d.Action],
			marketWord(d.Market), d.ReplicaID, where, d.Reason)
	case serve.Restart:
		return fmt.Sprintf("Restart replica %d as revision %d: %s", d.ReplicaID, d.Revision, d.Reason)
	case serve.Relabel:
		return fmt.Sprintf("Count replica %d as revision %d: %s", d.ReplicaID, d.Revision, d.Reason)
	default:
		return fmt.Sprintf("End replica %d: %s", d.ReplicaID, d.Reason)
	}
}

func marketWord(m serve.Market) string {
	if m == serve.OnDemand {
		return "on-demand"
	}
	return string(m)
}

// route tells the balancer which replicas may take requests, and for how long a
// request that finds none should wait.
func (l *loop) route() {
	var backends, leaving []balancer.Backend
	for _, r := range l.state.Replicas {
		if r.Address == "" || !r.Ready || !l.serves(r.Revision) {
			continue
		}
		b := balancer.Backend{ID: r.ID, Address: r.Address, Way: l.way(&r),
			Weight: policy.Weight(l.state.Spec.ReplicaPolicy.TargetQPSPerReplica, r.Offer.Accelerators)}
		switch {
		case r.Teardown == "":
			backends = append(backends, b)
		case now().Before(l.leaves(r)):
			leaving = append(leaving, b)
		}
	}
	// Machines under notice serve on for as long as others are too few.
	backends = append(backends, leaving[:min(len(leaving), max(0, l.memory.Target-len(backends)))]...)
	// Where others have balanced before, none is news too.
	if !l.everRouted || !slices.Equal(backends, l.routed) {
		l.routed, l.everRouted = backends, true
		l.c.o.Traffic.SetBackends(backends)
	}
	l.c.o.Traffic.SetHold(l.hold())
}

// serves reports whether requests go to replicas of a revision.
func (l *loop) serves(revision int64) bool {
	return l.memory.Active == 0 || l.memory.Active == revision
}

// leaves is until when a replica under notice may be sent requests: its machine
// is there until the deadline, and the last moments before that are for what is
// under way. Zero for a replica that is not under notice, and where nobody is to
// be served any more.
func (l *loop) leaves(r serve.Replica) time.Time {
	if l.state.Deleting || r.Teardown != serve.TeardownScheduled || r.Cause != serve.CausePreempted {
		return time.Time{}
	}
	notice := r.DrainUntil.Sub(r.EndedAt)
	return r.DrainUntil.Add(-min(l.c.pace.farewell, notice/4))
}

// hold is for how long a request that finds no replica should wait for one: a
// service that sleeps is woken by traffic, and one that has lost everything it had
// gets a replacement, which may be there soon. One that was never ready may have
// to be waited for much longer, if it ever is.
func (l *loop) hold() time.Duration {
	switch policy, _ := l.state.Spec.ReplicaPolicy.At(now()); {
	case l.state.Deleting || l.broken() != nil || policy.MaxReplicas == 0:
		return 0
	case policy.MinReplicas == 0:
		return l.c.pace.waking
	case !l.state.FirstReadyAt.IsZero():
		return l.c.pace.replacing
	}
	return 0
}
