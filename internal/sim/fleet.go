// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// fleet is a service in virtual time: its records, and what happens to its
// machines. It is to records what a controller and a cloud are.
type fleet struct {
	state  serve.State
	memory policy.Memory
	plan   policy.Output
	offers []serve.Offer
	// requests is how many there were within the last [policy.Window].
	requests func(time.Time) int
	// concurrency is how many were under way, as its mean.
	concurrency func(time.Time) float64
	// metric is the external metric, nil while it is not known.
	metric func() *float64

	// grant asks the cloud for one more machine.
	grant func(serve.Offer) bool
	// granted and freed tell the cloud that a machine is held, or not any more.
	granted, freed func(serve.Replica)
	// told is called with every evaluation, after its decisions are recorded.
	told func(time.Time, policy.Output)
	// gaveUp is called when a revision was given up.
	gaveUp func(serve.RolledBack)

	pace pace
	// due is when something is to happen to a replica.
	due map[int64]time.Time
	// released are the replicas with a record whose machine is gone.
	released map[int64]bool
	// dirty asks for an evaluation.
	dirty bool

	spotLaunches, onDemandLaunches, preemptions int
}

// pace is how long machines take.
type pace struct {
	// provision is from the launch until it is granted or refused, coldStart from
	// then until the replica is ready, teardown from its end until it is gone.
	provision, coldStart, teardown time.Duration
	// held says that a granted replica is not ready before it is told to be.
	held bool
}

func newFleet(spec serve.Spec, offers []serve.Offer, p pace) *fleet {
	return &fleet{
		state:  serve.State{Name: spec.Name, Revision: 1, Spec: spec, NextID: 1},
		offers: offers, pace: p, due: map[int64]time.Time{}, released: map[int64]bool{}, dirty: true,
		requests:    func(time.Time) int { return 0 },
		concurrency: func(time.Time) float64 { return 0 },
		metric:      func() *float64 { return nil },
		granted:     func(serve.Replica) {}, freed: func(serve.Replica) {}, told: func(time.Time, policy.Output) {}, gaveUp: func(serve.RolledBack) {},
	}
}

// settle lets everything happen that is due, and policy decide what follows,
// until there is nothing left for now.
func (f *fleet) settle(now time.Time) error {
	for range maxRounds {
		f.advance(now)
		if !f.dirty && (f.plan.Next.IsZero() || f.plan.Next.After(now)) {
			return nil
		}
		if err := f.consult(now); err != nil {
			return err
		}
	}
	return fmt.Errorf("at %s the policy decides again and again, the last time %v", now.Format(time.RFC3339), f.plan.Decisions)
}

// maxRounds is how often policy may decide at one moment. Each round beyond the
// first comes of a launch that was refused, and shuts the pool it was asked of.
const maxRounds = 1000

// consult asks policy and records its decisions.
func (f *fleet) consult(now time.Time) error {
	f.dirty = false
	f.plan = policy.Plan(now, f.input(now))
	f.memory = f.plan.Memory
	if f.plan.Good {
		f.state.Good = f.state.Revision
	}
	for _, d := range f.plan.Decisions {
		if err := f.state.Accept(d, now); err != nil {
			return fmt.Errorf("carrying out a decision at %s: %w", now.Format(time.RFC3339), err)
		}
		switch r := f.state.Find(d.ReplicaID); d.Action {
		case serve.Launch, serve.Retry:
			if r.Launch == serve.LaunchPending {
				r.Launch = serve.LaunchRunning
				f.due[r.ID] = now.Add(f.pace.provision)
			}
		case serve.Terminate:
			f.due[r.ID] = now.Add(f.pace.teardown)
			f.dirty = true
		}
	}
	f.told(now, f.plan)
	if f.plan.Setback.Reason != "" {
		f.state.GiveUp(f.plan.Setback.Reason, f.plan.Setback.Replica, now)
		f.gaveUp(*f.state.RolledBack)
		f.dirty = true
	}
	return nil
}

// input is what policy is asked about.
func (f *fleet) input(now time.Time) policy.Input {
	return policy.Input{
		Spec: f.state.Spec, Revision: f.state.Revision, Replicas: f.state.Replicas,
		Offers: f.offers, Requests: f.requests(now), Concurrency: f.concurrency(now), Metric: f.metric(), Good: f.state.Good, NextID: f.state.NextID, Memory: f.memory,
	}
}

// advance lets happen what is due.
func (f *fleet) advance(now time.Time) {
	for i := 0; i < len(f.state.Replicas); {
		r := &f.state.Replicas[i]
		at, ok := f.due[r.ID]
		if !ok || at.After(now) {
			i++
			continue
		}
		f.dirty = true
		delete(f.due, r.ID)
		switch {
		case r.Teardown != "" && r.Cause.IsFailure():
			f.release(r)
			r.Teardown = serve.TeardownSucceeded
		case r.Teardown != "":
			f.forget(r.ID)
			continue // another one is at i now
		case r.Launch == serve.LaunchRunning:
			f.launch(r, now)
		case r.Launch == serve.LaunchSucceeded:
			f.ready(r, now)
		}
	}
}

// next is when something is due next; zero if nothing is.
func (f *fleet) next() time.Time {
	var first time.Time
	for _, at := range f.due {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// launch asks for the machine of a replica, and takes in the answer as a
// controller does.
func (f *fleet) launch(r *serve.Replica, now time.Time) {
	if !f.grant(r.Offer) {
		f.memory = f.memory.LaunchFailed(now, r.ID, r.Offer)
		r.Launch, r.Offer, r.Message = serve.LaunchWaiting, serve.Offer{}, "no capacity"
		return
	}
	if r.Market == serve.Spot {
		f.spotLaunches++
	} else {
		f.onDemandLaunches++
	}
	r.Launch, r.LaunchedAt, r.Message = serve.LaunchSucceeded, now, ""
	f.memory = f.memory.LaunchSucceeded(r.Offer)
	f.granted(*r)
	if !f.pace.held {
		f.due[r.ID] = now.Add(f.pace.coldStart)
	}
}

// ready has the probe of a replica succeed.
func (f *fleet) ready(r *serve.Replica, now time.Time) {
	r.Ready, r.FailingSince = true, time.Time{}
	if r.FirstReadyAt.IsZero() {
		r.FirstReadyAt = now
	}
	f.dirty = true
}

// warn gives notice that the machine of a replica will be taken.
func (f *fleet) warn(id int64, now, deadline time.Time) {
	r := f.state.Find(id)
	if r == nil || r.Teardown != "" {
		return
	}
	f.memory = f.memory.Preempted(now, r.Offer, deadline.Sub(now))
	r.End(serve.CausePreempted, now)
	r.DrainUntil = deadline
	f.due[id] = deadline
	f.dirty = true
}

// end tears a replica down.
func (f *fleet) end(id int64, cause serve.Cause, now time.Time) {
	r := f.state.Find(id)
	r.End(cause, now)
	r.Ready = false
	f.due[id] = now.Add(f.pace.teardown)
	f.dirty = true
}

// take takes the machine of a replica away.
func (f *fleet) take(id int64, now time.Time) {
	r := f.state.Find(id)
	if r == nil {
		return
	}
	f.preemptions++
	if r.Teardown == "" {
		f.memory = f.memory.Preempted(now, r.Offer, 0)
	}
	f.release(r)
	if f.pace.teardown == 0 || r.Teardown != "" {
		f.forget(id)
		return
	}
	f.end(id, serve.CausePreempted, now)
}

// release tells the cloud that the machine of a replica is not held any more.
func (f *fleet) release(r *serve.Replica) {
	if r.Launch == serve.LaunchSucceeded && !f.released[r.ID] {
		f.released[r.ID] = true
		f.freed(*r)
	}
}

// forget removes the record of a replica whose machine is gone.
func (f *fleet) forget(id int64) {
	i := slices.IndexFunc(f.state.Replicas, func(r serve.Replica) bool { return r.ID == id })
	f.release(&f.state.Replicas[i])
	f.state.Replicas = slices.Delete(f.state.Replicas, i, i+1)
	delete(f.due, id)
	delete(f.released, id)
	f.dirty = true
}
