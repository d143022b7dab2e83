// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// deepDiff compares to the last pointer, and says where values differ.
func deepDiff(a, b any) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	if diff := cmp.Diff(a, b); diff != "" {
		return diff
	}
	return fmt.Sprintf("not deeply equal, though alike: %#v and %#v", a, b)
}

// throughJSON gives what a value is after it was stored.
func throughJSON[T any](t *rapid.T, v T) T {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encoding: %v", err)
	}
	var again T
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatalf("decoding: %v", err)
	}
	return again
}

// deepCopy copies an input with all that it points to.
func deepCopy(in policy.Input) policy.Input {
	in.Replicas, in.Offers = slices.Clone(in.Replicas), slices.Clone(in.Offers)
	pools := in.Memory.Pools
	in.Memory.Pools = nil
	for key, p := range pools {
		if in.Memory.Pools == nil {
			in.Memory.Pools = map[string]policy.Pool{}
		}
		in.Memory.Pools[key] = p
	}
	in.Memory.Zones.Candidates = slices.Clone(in.Memory.Zones.Candidates)
	in.Memory.Zones.Preempted = slices.Clone(in.Memory.Zones.Preempted)
	return in
}

func TestPlanIsPure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		before := deepCopy(in)
		first := policy.Plan(noon(), in)
		second := policy.Plan(noon().In(time.FixedZone("elsewhere", -7200)), in)
		if diff := deepDiff(before, in); diff != "" {
			t.Fatalf("the input changed: %s", diff)
		}
		if diff := deepDiff(first, second); diff != "" {
			t.Fatalf("the same input gives something else: %s", diff)
		}
		if diff := deepDiff(first.Memory, throughJSON(t, first.Memory)); diff != "" {
			t.Fatalf("the memory is changed by JSON: %s", diff)
		}
		if !first.Next.IsZero() && !first.Next.After(noon()) {
			t.Fatalf("Next is %v, which is over", first.Next)
		}
	})
}

// situation sums up an input as the decisions about it must see it.
type situation struct {
	newest, old map[int64]serve.Replica
	ready       int
}

func see(in policy.Input, decisions []serve.Decision) situation {
	s := situation{newest: map[int64]serve.Replica{}, old: map[int64]serve.Replica{}}
	relabelled := map[int64]bool{}
	for _, d := range decisions {
		relabelled[d.ReplicaID] = relabelled[d.ReplicaID] || d.Action == serve.Relabel
	}
	for _, r := range in.Replicas {
		switch {
		case r.Status().IsTerminal():
			continue
		case r.Revision == in.Revision || relabelled[r.ID]:
			s.newest[r.ID] = r
		default:
			s.old[r.ID] = r
		}
		if r.Status() == serve.Ready {
			s.ready++
		}
	}
	return s
}

func TestDecisionsAreSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		out := policy.Plan(noon(), in)
		s := see(in, out.Decisions)
		next := in.NextID
		done := map[string]bool{}
		for _, d := range out.Decisions {
			what := fmt.Sprintf("%s %d", d.Action, d.ReplicaID)
			if d.Reason == "" {
				t.Fatalf("%s has no reason", what)
			}
			if done[what] {
				t.Fatalf("%s is decided twice", what)
			}
			done[what] = true
			if !d.Offer.IsZero() && (d.Offer.Market != d.Market || !slices.Contains(in.Offers, d.Offer)) {
				t.Fatalf("%s in the market %s is given what nobody offers: %v", what, d.Market, d.Offer)
			}
			if len(d.Rejected) > 8 {
				t.Fatalf("%s lists %d alternatives", what, len(d.Rejected))
			}
			r, newest := s.newest[d.ReplicaID]
			old, isOld := s.old[d.ReplicaID]
			switch d.Action {
			case serve.Launch:
				if d.ReplicaID != next || d.Revision != in.Revision {
					t.Fatalf("%s of revision %d, where %d of revision %d is next", what, d.Revision, next, in.Revision)
				}
				next++
			case serve.Retry:
				if d.Offer.IsZero() || r.Launch != serve.LaunchWaiting && old.Launch != serve.LaunchWaiting || done[fmt.Sprintf("terminate %d", d.ReplicaID)] {
					t.Fatalf("%s: it does not wait for %v", what, d.Offer)
				}
			case serve.Relabel:
				if r.Task != in.Spec.Task.Digest() || d.Revision != in.Revision {
					t.Fatalf("%s: it runs something else", what)
				}
			case serve.Restart:
				if !isOld || d.Revision != in.Revision || old.Shape != in.Spec.Task.Shape() || old.Launch != serve.LaunchSucceeded ||
					in.Spec.RollingUpdate == nil || !slices.Contains(in.Restarts, old.Offer.Location.Cloud) || done[fmt.Sprintf("terminate %d", d.ReplicaID)] {
					t.Fatalf("%s, which is %+v", what, old)
				}
			case serve.Terminate:
				if done[fmt.Sprintf("retry %d", d.ReplicaID)] || newest == isOld || newest != (d.Cause == serve.CauseScaleDown) || isOld != (d.Cause == serve.CauseOutdated) {
					t.Fatalf("%s for %q", what, d.Cause)
				}
			}
		}
	})
}

// wanted is the mixture of section 6.1 of the reference, clamped, once all spot
// replicas are ready.
func wanted(p serve.ReplicaPolicy, spot bool, target int) (onSpot, onDemand int) {
	switch {
	case target == 0:
		return 0, 0
	case p.UsesFallback():
		return max(0, target+p.NumOverprovision-p.BaseOndemandFallbackReplicas), min(p.BaseOndemandFallbackReplicas, target)
	case spot:
		return target + p.NumOverprovision, 0
	default:
		return 0, target + p.NumOverprovision
	}
}

func TestDecisionsAreSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		out := policy.Plan(noon(), in)
		s, p := see(in, out.Decisions), in.Spec.ReplicaPolicy
		final := 0
		if out.Target > 0 {
			final = out.Target + p.NumOverprovision
		}
		if out.Target > p.MaxReplicas || out.Target < p.MinReplicas {
			t.Fatalf("the target is %d", out.Target)
		}

		live, launches := len(s.newest), map[serve.Market]int{}
		there := map[serve.Market]int{}
		for _, r := range s.newest {
			there[r.Market]++
		}
		ready, readyNewest, oldRemoved := s.ready, 0, 0
		for _, r := range s.newest {
			if r.Status() == serve.Ready {
				readyNewest++
			}
		}
		readyOld := s.ready - readyNewest
		lostNewest := 0
		for _, d := range out.Decisions {
			switch d.Action {
			case serve.Launch:
				if live >= policy.Most(p) {
					t.Fatalf("replica %d is launched beside %d", d.ReplicaID, live)
				}
				live++
				launches[d.Market]++
			case serve.Terminate, serve.Restart:
				if r, ok := s.newest[d.ReplicaID]; ok && r.Status() == serve.Ready {
					lostNewest++
				}
				if r, ok := s.old[d.ReplicaID]; ok && r.Status() == serve.Ready {
					oldRemoved++
				}
			}
		}
		onSpot, onDemand := wanted(p, in.Spec.Resources.Spot(), out.Target)
		mostOnDemand := onDemand
		if p.DynamicOndemandFallback {
			mostOnDemand = out.Target
		}
		mostSpot := onSpot
		if p.DynamicOndemandFallback && len(out.Memory.Risk.Losses) == 3 {
			mostSpot += (onSpot + 1) / 2 // spares
		}
		if launches[serve.Spot] > 0 && there[serve.Spot]+launches[serve.Spot] > mostSpot {
			t.Fatalf("%d spot replicas are launched beside %d, and %d are wanted", launches[serve.Spot], there[serve.Spot], mostSpot)
		}
		if launches[serve.OnDemand] > 0 && there[serve.OnDemand]+launches[serve.OnDemand] > mostOnDemand {
			t.Fatalf("%d on-demand replicas are launched beside %d, and at most %d are wanted", launches[serve.OnDemand], there[serve.OnDemand], mostOnDemand)
		}
		if final == 0 {
			return
		}
		u := in.Spec.RollingUpdate
		mayBeNone := u != nil && u.MaxSurge == 0 && u.MaxUnavailable >= final
		if left := ready - lostNewest - oldRemoved; ready > 0 && left == 0 && !mayBeNone {
			t.Fatalf("the last of %d ready replicas is removed, and %d are to be", ready, final)
		}
		if in.Spec.UpdateMode == serve.BlueGreen {
			// What serves neither now nor after the newest revision goes whenever.
			for _, d := range out.Decisions {
				if d.Cause == serve.CauseOutdated && out.Memory.Active != in.Revision && s.old[d.ReplicaID].Revision == out.Memory.Active {
					t.Fatalf("replica %d goes, which is of the revision that serves", d.ReplicaID)
				}
			}
			return
		}
		mayLack := 0
		if u != nil {
			mayLack = u.MaxUnavailable
		}
		share := min(final, onSpot+mostOnDemand) - mayLack
		after := readyNewest - lostNewest + readyOld - oldRemoved
		if before := readyNewest - lostNewest + readyOld; oldRemoved > 0 && after < min(share, before) && after < min(onSpot+onDemand-mayLack, before) {
			t.Fatalf("%d old ready replicas go, and %d of %d stay ready, where %d are to be", oldRemoved, after, before, final)
		}
	})
}

// simulation carries decisions out, and everything succeeds.
type simulation struct {
	in  policy.Input
	now time.Time
	out policy.Output
}

func (s *simulation) step() {
	s.out = policy.Plan(s.now, s.in)
	s.in.Memory = s.out.Memory
	for _, d := range s.out.Decisions {
		i := slices.IndexFunc(s.in.Replicas, func(r serve.Replica) bool { return r.ID == d.ReplicaID })
		switch d.Action {
		case serve.Launch:
			r := serve.Replica{ID: d.ReplicaID, Revision: d.Revision, Market: d.Market, Offer: d.Offer, Task: s.in.Spec.Task.Digest(), Shape: s.in.Spec.Task.Shape(), CreatedAt: s.now, Launch: serve.LaunchPending}
			if d.Offer.IsZero() {
				r.Launch = serve.LaunchWaiting
			}
			s.in.Replicas, s.in.NextID = append(s.in.Replicas, r), d.ReplicaID+1
		case serve.Retry:
			s.in.Replicas[i].Offer, s.in.Replicas[i].Launch = d.Offer, serve.LaunchPending
		case serve.Relabel:
			s.in.Replicas[i].Revision = d.Revision
		case serve.Restart:
			state := serve.State{Spec: s.in.Spec, Replicas: slices.Clone(s.in.Replicas)}
			if err := state.Accept(d, s.now); err != nil {
				panic(err)
			}
			s.in.Replicas = state.Replicas
		case serve.Terminate:
			s.in.Replicas = slices.Delete(slices.Clone(s.in.Replicas), i, i+1)
		}
	}
}

// heal lets every machine come up and every server answer, and clears away what
// was ended. Failure records stay.
func (s *simulation) heal() {
	s.in.Replicas = slices.DeleteFunc(slices.Clone(s.in.Replicas), func(r serve.Replica) bool {
		return !r.Cause.IsFailure() && (r.Teardown == serve.TeardownScheduled || r.Teardown == serve.TeardownRunning)
	})
	for i := range s.in.Replicas {
		r := &s.in.Replicas[i]
		if r.Status().IsTerminal() || r.Launch == serve.LaunchWaiting {
			continue
		}
		if r.Launch != serve.LaunchSucceeded {
			s.in.Memory = s.in.Memory.LaunchSucceeded(r.Offer)
		}
		r.Launch, r.Ready, r.FailingSince, r.Restart = serve.LaunchSucceeded, true, time.Time{}, ""
		if r.FirstReadyAt.IsZero() {
			r.FirstReadyAt = s.now
		}
	}
}

// settled reports whether the newest revision has just the replicas it is to
// have, all ready, and no other revision has any.
func (s *simulation) settled(t *rapid.T) string {
	live := map[serve.Market]int{}
	for _, r := range s.in.Replicas {
		switch {
		case r.Status().IsTerminal():
		case r.Revision != s.in.Revision || r.Status() != serve.Ready:
			return fmt.Sprintf("replica %d of revision %d is %s", r.ID, r.Revision, r.Status())
		default:
			live[r.Market]++
		}
	}
	onSpot, onDemand := wanted(s.in.Spec.ReplicaPolicy, s.in.Spec.Resources.Spot(), s.out.Target)
	if live[serve.Spot] != onSpot || live[serve.OnDemand] != onDemand {
		return fmt.Sprintf("%d spot and %d on-demand replicas are there; %d and %d are to be, at target %d",
			live[serve.Spot], live[serve.OnDemand], onSpot, onDemand, s.out.Target)
	}
	return ""
}

// drawSimulation gives any situation that is not beyond repair.
func drawSimulation(t *rapid.T) *simulation {
	s := &simulation{in: drawInput(t), now: noon()}
	s.in.Replicas = slices.DeleteFunc(s.in.Replicas, func(r serve.Replica) bool { return r.Revision == s.in.Revision && r.IsUnrecoverable() })
	s.in.Offers = append(s.in.Offers, drawOffer(t, serve.Spot), drawOffer(t, serve.OnDemand))
	return s
}

// converge runs until nothing is decided for long enough, and for as long again
// when the times are calm, and fails when that does not come to pass.
func (s *simulation) converge(t *rapid.T) {
	s.quieten(t)
	s.now = s.now.Add(24 * time.Hour)
	s.quieten(t)
}

func (s *simulation) quieten(t *rapid.T) {
	quiet := 0
	for range 300 {
		s.step()
		s.heal()
		if len(s.out.Decisions) > 0 {
			quiet = 0
		} else if quiet++; quiet == 40 {
			return
		}
		s.now = s.now.Add(20 * time.Second)
	}
	t.Fatalf("there are decisions for ever, the last being %+v", s.out.Decisions)
}

func TestServiceConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSimulation(t)
		s.converge(t)
		if why := s.settled(t); why != "" {
			t.Fatalf("at the end %s; hold: %q", why, s.out.Hold)
		}
	})
}

// C10: a controller that starts again finds a healthy service and does nothing.
func TestRestartOfAHealthyServiceDecidesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSimulation(t)
		s.converge(t)
		s.in.Memory = throughJSON(t, s.in.Memory)
		s.now = s.now.Add(time.Duration(rapid.IntRange(61, 1e6).Draw(t, "seconds down")) * time.Second)
		s.in.Requests = 0 // those of before are forgotten, those of meanwhile were refused
		if s.in.Memory.Target == 0 {
			return
		}
		if s.step(); len(s.out.Decisions) > 0 {
			t.Fatalf("decided: %+v", s.out.Decisions)
		}
	})
}

// C10 as issue 8562 of SkyServe has it: the memory is lost as well.
func TestRestartWithoutMemoryDecidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(), "1 on-demand READY v7")
	w.in.Revision = 7
	w.want("C10 one ready replica of revision 7, and one is wanted", "")
	w.become(1, serve.ShuttingDown)
	w.want("C11 ids go on", "launch on-demand 2")
	w.vanish(1, 2)
	w.want("C11 though none is there", "launch on-demand 3")
}

// Next must not lie: asking earlier decides nothing.
func TestNothingHappensBeforeNext(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSimulation(t)
		for range 6 {
			s.step()
		}
		if len(s.out.Decisions) > 0 {
			return
		}
		early := s.now.Add(100 * 24 * time.Hour)
		if !s.out.Next.IsZero() {
			early = s.out.Next.Add(-1)
		}
		s.now = s.now.Add(time.Duration(rapid.Int64Range(0, int64(early.Sub(s.now))).Draw(t, "wait")))
		if s.step(); len(s.out.Decisions) > 0 {
			t.Fatalf("before Next: %+v", s.out.Decisions)
		}
	})
}
