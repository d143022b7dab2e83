// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"math"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// rough is a service of four replicas with a cold start of 200 seconds that has
// lost machines in C three times within the last day, the last time an hour ago.
// So for 1000 seconds a pool is doubted. Two replicas are in A and two in B, and
// have been for long.
func rough(t *testing.T) *world {
	w := newWorld(t, spotSpec(fixed(4), dynamic),
		"1 spot READY in cloud/r/A", "2 spot READY in cloud/r/A", "3 spot READY in cloud/r/B", "4 spot READY in cloud/r/B")
	w.in.Offers = []serve.Offer{zone("A"), zone("B"), zone("C"), zone("D"), offer("cloud/r/A", serve.OnDemand, 3)}
	w.in.Memory.Risk.ColdStart = 200
	w.want("all is well", "")
	w.pass(24 * time.Hour)
	for range 3 {
		w.in.Memory = w.in.Memory.Preempted(w.now, zone("C"), 0)
		w.pass(time.Hour)
	}
	w.want("what is held has long proven itself", "")
	return w
}

// lose takes replicas of one pool away.
func (w *world) lose(notice time.Duration, ids ...int64) {
	for _, id := range ids {
		w.in.Memory = w.in.Memory.Preempted(w.now, w.find(id).Offer, notice)
	}
	w.vanish(ids...)
}

// serving has replicas become ready after their cold start.
func (w *world) serving(ids ...int64) {
	for _, id := range ids {
		r := w.find(id)
		r.LaunchedAt = w.now.Add(-200 * time.Second)
		w.become(id, serve.Ready)
	}
}

func TestInCalmTimesALossIsAnsweredAsSkyServeDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(fixed(2), dynamic), "1 spot READY in cloud/r/A", "2 spot READY in cloud/r/A")
	w.in.Offers, w.in.Memory.Risk.ColdStart = abc(), 200
	for i := range int64(2) {
		w.lose(0, w.in.Replicas[0].ID)
		w.want("another in the same pool is not doubted", map[int64]string{0: "launch spot 3, launch on-demand 4", 1: "launch spot 5, launch on-demand 6"}[i])
		w.pass(time.Minute)
		w.serving(3 + 2*i)
		w.want("the replacement is ready", map[int64]string{0: "remove 4", 1: "remove 6"}[i])
		w.vanish(4, 6)
	}
	w.lose(0, w.in.Replicas[0].ID)
	w.want("the third loss within a day makes the times rough", "launch spot 7, launch on-demand 8, launch on-demand 9, launch spot 10")
}

func TestShakenPoolIsStoodInFor(t *testing.T) {
	t.Parallel()
	w := rough(t)
	w.lose(0, 1)
	// 2 stays in A, which is doubted now: it is stood in for as well, and as B alone
	// would be too little, there is a spare.
	w.want("one of two in A is lost", "launch spot 5, launch on-demand 6, launch on-demand 7, launch spot 8")
	for _, d := range w.out.Decisions[1:] {
		if d.Offer.Location.Zone == "A" && d.Market == serve.Spot {
			t.Errorf("replica %d is put where machines were just lost", d.ReplicaID)
		}
	}
	if got, want := w.out.Decisions[3].Reason, "spot machines are being lost, and the pool cloud/r/A|m2|spot has not proven itself yet: until it has, 1 replica is kept elsewhere as spare"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	w.want("5 and 8 are both in D, which is new", "launch spot 9")
	w.pass(200 * time.Second)
	w.serving(5, 6, 7, 8, 9)
	w.want("all are ready, and those outside of A enough", "remove 7, remove 6")
	w.vanish(6, 7)
	w.pass(800 * time.Second)
	w.want("A has been quiet for long enough, but D has two and is younger", "")
	w.pass(200 * time.Second)
	w.want("now all have proven themselves", "remove 9, remove 8")
}

func TestNewPoolIsBackedBySpares(t *testing.T) {
	t.Parallel()
	w := rough(t)
	w.lose(0, 1, 2)
	w.want("A is lost altogether", "launch spot 5, launch spot 6, launch on-demand 7, launch on-demand 8")
	for _, d := range w.out.Decisions[:2] {
		if zone := d.Offer.Location.Zone; zone != "D" {
			t.Errorf("replica %d is put in %s; C has lost machines three times, and B has half already", d.ReplicaID, zone)
		}
	}
	for _, id := range []int64{5, 6} {
		w.find(id).Launch = serve.LaunchSucceeded
	}
	w.want("D is new, and would leave two if it went", "launch spot 9, launch spot 10")
	for _, d := range w.out.Decisions {
		if zone := d.Offer.Location.Zone; zone != "C" {
			t.Errorf("spare %d is put in %s, not in another pool than those that are full", d.ReplicaID, zone)
		}
	}
}

func TestSpareThatIsRefusedDoesNotWait(t *testing.T) {
	t.Parallel()
	w := rough(t)
	w.in.Offers = []serve.Offer{zone("A"), zone("B"), zone("D"), offer("cloud/r/A", serve.OnDemand, 3)}
	w.lose(0, 1)
	w.want("one is lost", "launch spot 5, launch on-demand 6, launch on-demand 7, launch spot 8")
	w.refuse(8)
	w.want("the spare is not to be had", "remove 8")
}

func TestNoticeInTimeLeavesNothingToDoubt(t *testing.T) {
	t.Parallel()
	w := rough(t)
	for range 20 {
		w.in.Memory = w.in.Memory.Preempted(w.now, zone("C"), 210*time.Second)
		w.pass(time.Minute)
	}
	w.lose(210*time.Second, 1)
	w.want("replacements come before machines go", "launch spot 5, launch on-demand 6")
}

func TestRoughTimesEnd(t *testing.T) {
	t.Parallel()
	w := rough(t)
	w.pass(22 * time.Hour)
	w.lose(0, 1)
	w.want("the first of the last three losses is more than a day ago", "launch spot 5, launch on-demand 6")
}

func TestOtherPlacersAndPoliciesKnowNoRoughTimes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*serve.ReplicaPolicy)
		want   string
	}{
		{"dynamic_fallback", placedByFallback, "launch spot 5, launch on-demand 6"},
		{"no fallback", func(p *serve.ReplicaPolicy) { p.DynamicOndemandFallback = false }, "launch spot 5"},
	} {
		w := rough(t)
		w.update(func(s *serve.Spec) { row.change(&s.ReplicaPolicy) })
		for i := range w.in.Replicas {
			w.in.Replicas[i].Revision = w.in.Revision
		}
		w.want(row.name, "")
		w.lose(0, 1)
		w.want(row.name, row.want)
	}
}

// A pool that was held for two hours and lost machines once, by hand.
func TestRecordFades(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(fixed(1)), "1 spot READY in cloud/r/A")
	w.in.Offers = abc()
	record := func() policy.Record { return w.in.Memory.Pools[zone("A").Key()].Record }
	w.want("held", "")
	w.pass(2 * time.Hour)
	w.lose(0, 1)
	w.step()
	held := 48 / math.Ln2 * (1 - math.Exp2(-2.0/48))
	if r := record(); math.Abs(r.Hours-held) > 1e-9 || r.Losses != 1 || !r.HeldSince.IsZero() {
		t.Errorf("after two hours the record is %+v; it must be a little less than two hours, %v", r, held)
	}
	w.pass(48 * time.Hour)
	w.in.Memory = w.in.Memory.Preempted(w.now, zone("A"), 0)
	if r := record(); math.Abs(r.Hours-held/2) > 1e-9 || r.Losses != 1.5 {
		t.Errorf("after two days the record is %+v; half of it must be left", r)
	}
	before := record()
	w.in.Memory = w.in.Memory.Preempted(w.now.Add(29*time.Second), zone("A"), 0)
	if r := record(); r.Losses != before.Losses || !r.LostAt.After(before.LostAt) {
		t.Errorf("machines lost together are two losses: %+v", r)
	}
	w.pass(8 * 24 * time.Hour)
	if w.decide(); w.out.Memory.Pools[zone("A").Key()].Record != (policy.Record{}) {
		t.Errorf("a week later the record is still there: %+v", w.out.Memory.Pools)
	}
}

func TestColdStartIsMeasured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(fixed(3)), "1 spot STARTING", "2 spot STARTING", "3 spot STARTING")
	for i, row := range []struct{ took, want float64 }{{100, 100}, {200, 125}, {-5, 125}} {
		w.pass(time.Hour)
		r := w.find(int64(i + 1))
		r.LaunchedAt = w.now.Add(-time.Duration(row.took * float64(time.Second)))
		w.become(r.ID, serve.Ready)
		for range 3 { // each counts once
			w.step()
		}
		if got := w.in.Memory.Risk.ColdStart; got != row.want {
			t.Errorf("after one of %v s the cold start is %v s, not %v s", row.took, got, row.want)
		}
	}
}
