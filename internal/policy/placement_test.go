// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// places gives where the launches of the last step go.
func (w *world) places() string {
	var places []string
	for _, d := range w.out.Decisions {
		if d.Action == serve.Launch || d.Action == serve.Retry {
			places = append(places, d.Offer.Location.String())
		}
	}
	return strings.Join(places, " ")
}

// abc offers spot machines in three zones, the dearer the later, and an
// on-demand one.
func abc() []serve.Offer {
	return []serve.Offer{
		offer("cloud/r/C", serve.Spot, 3), offer("cloud/r/B", serve.Spot, 2), offer("cloud/r/A", serve.Spot, 1),
		offer("cloud/r/A", serve.OnDemand, 9),
	}
}

func zone(name string) serve.Offer { return offer("cloud/r/"+name, serve.Spot, 1) }

func placedByFallback(p *serve.ReplicaPolicy) { p.SpotPlacer = serve.DynamicFallbackPlacer }

func TestDynamicFallbackPlacer(t *testing.T) {
	t.Parallel()
	now := noon()
	type memory = func(policy.Memory) policy.Memory
	preempted := func(names ...string) memory {
		return func(m policy.Memory) policy.Memory {
			for _, name := range names {
				m = m.Preempted(now, zone(name), 0)
			}
			return m
		}
	}
	rows := []struct {
		name     string
		replicas []string
		memory   memory
		offers   []serve.Offer
		want     string
	}{
		{"P1 the cheapest", nil, nil, abc(), "A"},
		{"P2 the cheapest that is not in use", []string{"in cloud/r/A"}, nil, abc(), "B"},
		{"P3 the cheapest when all are in use", []string{"in cloud/r/A", "in cloud/r/B", "in cloud/r/C"}, nil, abc(), "A"},
		{"P4 not where one was preempted", nil, preempted("A"), abc(), "B"},
		{"P4 nowhere left to be careful with", nil, preempted("A", "B"), abc(), "A"},
		{"P5 the only candidate, whatever happened", nil, preempted("A"), []serve.Offer{zone("A")}, "A"},
		{
			"P6 a launch that failed for good counts like a preemption", []string{"in cloud/r/A"},
			refusedThrice(now), abc(), "C",
		},
		{
			"P6 long after it was refused, too", []string{"in cloud/r/A"},
			refusedThrice(now.Add(-time.Hour)), abc(), "C",
		},
		{
			"P6 a launch that succeeds makes it active again", []string{"in cloud/r/A"},
			func(m policy.Memory) policy.Memory { return preempted("B")(m).LaunchSucceeded(zone("B")) }, abc(), "B",
		},
		{"P7 a terminal replica is still in the way", []string{"SHUTTING_DOWN in cloud/r/A"}, nil, abc(), "B"},
		{"P7 so is one of an old revision", []string{"v9 in cloud/r/A"}, nil, abc(), "B"},
		{"a zone that was preempted is not used because the others are", []string{"in cloud/r/B", "in cloud/r/C"}, preempted("A"), abc(), "B"},
		{
			"a zone where nothing is offered any more is no candidate", nil, preempted("A", "X"), abc(), "B",
		},
		{
			"of two machines in a zone the cheaper", nil, nil,
			[]serve.Offer{offer("cloud/r/B", serve.Spot, 2), {Location: zone("A").Location, Market: serve.Spot, InstanceType: "dear", Price: 1.5}, zone("A")}, "A",
		},
		{
			"of two equal zones the first", nil, nil,
			[]serve.Offer{offer("cloud/r/B", serve.Spot, 1), offer("cloud/r/A", serve.Spot, 1)}, "B",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, spotSpec(placedByFallback, fixed(len(row.replicas)+1)))
			for i, r := range row.replicas {
				status := "READY "
				if strings.HasPrefix(r, "SHUTTING_DOWN") {
					status = ""
				}
				w.add(fmt.Sprintf("%d spot %s%s", i+1, status, r))
			}
			w.in.Offers = row.offers
			if row.memory != nil {
				w.in.Memory = row.memory(w.in.Memory)
			}
			w.decide()
			if got, _, _ := strings.Cut(w.places(), " "); got != "cloud/r/"+row.want {
				t.Errorf("placed in %s, not %s", got, row.want)
			}
		})
	}
}

func TestDynamicFallbackPlacerSpreadsWithinOneStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(placedByFallback, fixed(4)))
	w.in.Offers = abc()
	w.step()
	if got, want := w.places(), "cloud/r/A cloud/r/B cloud/r/C cloud/r/A"; got != want {
		t.Errorf("placed in %s, not %s", got, want)
	}
}

// P4 in the order in which it happens, with the marks made between evaluations.
func TestDynamicFallbackPlacerResets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(placedByFallback))
	w.in.Offers = abc()
	for i, want := range []string{"A", "B", "A"} {
		w.step()
		if got := w.places(); got != "cloud/r/"+want {
			t.Errorf("P4 launch %d is placed in %s, not %s", i+1, got, want)
		}
		w.in.Memory = w.in.Memory.Preempted(w.now, zone(want), 0)
		w.vanish(int64(i + 1))
	}
	// Three marks at once: the second resets, so that only the third stands.
	w.in.Memory = w.in.Memory.LaunchSucceeded(zone("A"))
	for _, name := range []string{"A", "B", "C"} {
		w.in.Memory = w.in.Memory.Preempted(w.now, zone(name), 0)
	}
	if got := fmt.Sprint(w.in.Memory.Zones.Preempted); got != "[cloud/r/C]" {
		t.Errorf("PREEMPTED are %s", got)
	}
}

func TestPlacerIsNotAskedForOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(placedByFallback, base(1)))
	w.in.Offers = abc()
	w.in.Memory = w.in.Memory.LaunchFailed(w.now.Add(-time.Minute), 1, offer("cloud/r/A", serve.OnDemand, 9))
	w.want("P9", "launch on-demand 1")
	if got := w.places(); got != "cloud/r/A" {
		t.Errorf("P9 placed in %s", got)
	}
	if len(w.in.Memory.Zones.Preempted) > 0 {
		t.Errorf("P9 the placer heard of it: %v", w.in.Memory.Zones.Preempted)
	}
}

func TestPlacerDoesNotHeedOnDemandReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(placedByFallback), "1 on-demand SHUTTING_DOWN in cloud/r/A", "2 on-demand READY in cloud/r/A")
	w.in.Offers = abc()
	w.in.Memory = w.in.Memory.Preempted(w.now, zone("B"), 0).LaunchSucceeded(offer("cloud/r/B", serve.OnDemand, 1))
	w.step()
	if got := w.places(); got != "cloud/r/A" {
		t.Errorf("placed in %s", got)
	}
	if got := fmt.Sprint(w.in.Memory.Zones.Preempted); got != "[cloud/r/B]" {
		t.Errorf("PREEMPTED are %s", got)
	}
}

// refusedThrice has the launch of another replica fail for good in B.
func refusedThrice(now time.Time) func(policy.Memory) policy.Memory {
	return func(m policy.Memory) policy.Memory {
		for range 3 {
			m = m.LaunchFailed(now, 9, zone("B"))
		}
		return m
	}
}

// SkyServe asks three times in one place before it gives it up.
func TestDynamicFallbackPlacerInsists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(placedByFallback))
	w.in.Offers = abc()
	w.want("the cheapest", "launch spot 1")
	for i, row := range []struct {
		pause time.Duration
		place string
	}{
		{60 * time.Second, "cloud/r/A"},
		{96 * time.Second, "cloud/r/A"},
		{20 * time.Second, "cloud/r/B"},
		{60 * time.Second, "cloud/r/B"},
	} {
		w.refuse(1)
		w.want(fmt.Sprintf("refusal %d", i+1), "")
		if want := w.now.Add(row.pause); !w.out.Next.Equal(want) {
			t.Fatalf("after refusal %d it is tried again at %v, not at %v", i+1, w.out.Next, want)
		}
		if !strings.Contains(w.out.Hold, "its launch was refused, and is tried again at") {
			t.Errorf("meanwhile it says %q", w.out.Hold)
		}
		w.now = w.out.Next
		w.want(fmt.Sprintf("after refusal %d", i+1), "retry 1")
		if got := w.places(); got != row.place {
			t.Errorf("after refusal %d it is tried in %s, not in %s", i+1, got, row.place)
		}
	}
	w.find(1).Launch = serve.LaunchSucceeded
	if w.step(); w.in.Memory.Zones.Tries != nil {
		t.Errorf("the launch has succeeded, and %v is remembered", w.in.Memory.Zones.Tries)
	}
}

func TestDynamicFallbackPlacerCountsTriesAsUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(placedByFallback, fixed(2)))
	w.in.Offers = abc()
	w.want("two", "launch spot 1, launch spot 2")
	w.refuse(1)
	w.in.Memory = w.in.Memory.Preempted(w.now, zone("B"), 0)
	w.vanish(2)
	w.want("while replica 1 insists on A", "launch spot 3")
	if got := w.places(); got != "cloud/r/C" {
		t.Errorf("placed in %s", got)
	}
}

func TestSpotHedgePlacer(t *testing.T) {
	t.Parallel()
	spec := spotSpec(func(p *serve.ReplicaPolicy) { p.SpotPlacer = serve.SpotHedgePlacer }, fixed(4))
	w := newWorld(t, spec)
	w.in.Offers = abc()
	w.want("four", "launch spot 1, launch spot 2, launch spot 3, launch spot 4")
	if got, want := w.places(), "cloud/r/A cloud/r/B cloud/r/C cloud/r/A"; got != want {
		t.Errorf("where the fewest are: placed in %s, not %s", got, want)
	}
	for id := range int64(4) {
		w.become(id+1, serve.Ready)
	}
	w.want("all are ready", "")
	// Of three zones, only when none is left all are ACTIVE again.
	for i, row := range []struct{ lost, place string }{{"A", "cloud/r/B"}, {"B", "cloud/r/C"}, {"C", "cloud/r/A"}} {
		w.pass(time.Minute)
		w.in.Memory = w.in.Memory.Preempted(w.now, zone(row.lost), 0)
		w.vanish(int64(4 + i))
		w.want("lost in "+row.lost, fmt.Sprintf("launch spot %d", 5+i))
		if got := w.places(); got != row.place {
			t.Errorf("after a loss in %s placed in %s, not %s", row.lost, got, row.place)
		}
	}
	w.refuse(7)
	w.want("one refusal makes a zone PREEMPTED, and the next try comes with the next evaluation", "")
	w.pass(20 * time.Second)
	w.want("20 seconds later", "retry 7")
	if got := w.places(); got != "cloud/r/B" {
		t.Errorf("placed in %s", got)
	}
	w.in.Memory = w.in.Memory.LaunchSucceeded(zone("A"))
	if len(w.in.Memory.Zones.Preempted) != 1 {
		t.Error("a machine that was granted makes its zone ACTIVE already")
	}
	w.find(7).Offer = zone("A")
	w.pass(time.Minute)
	w.become(7, serve.Ready)
	if w.step(); len(w.in.Memory.Zones.Preempted) != 0 {
		t.Errorf("a replica is ready, and PREEMPTED are still %v", w.in.Memory.Zones.Preempted)
	}
}

// refuse has the launch of a replica fail for want of capacity.
func (w *world) refuse(id int64) {
	r := w.find(id)
	w.in.Memory = w.in.Memory.LaunchFailed(w.now, id, r.Offer)
	r.Offer, r.Launch = serve.Offer{}, serve.LaunchWaiting
}

func TestCheapestPlacer(t *testing.T) {
	t.Parallel()
	now := noon()
	second := func(o serve.Offer) serve.Offer { o.Rank, o.Entry = 1, 1; return o }
	rows := []struct {
		name     string
		replicas []string
		memory   func(policy.Memory) policy.Memory
		offers   []serve.Offer
		want     string
	}{
		{"the cheapest", nil, nil, abc(), "cloud/r/A"},
		{"the cheapest though it is in use", []string{"1 spot READY in cloud/r/A"}, nil, abc(), "cloud/r/A"},
		{
			"what the user prefers, though it is dearer", nil, nil,
			[]serve.Offer{second(offer("cloud/r/A", serve.Spot, 1)), offer("cloud/r/B", serve.Spot, 2)}, "cloud/r/B",
		},
		{
			"what the user prefers less, when the first is blocked", nil,
			func(m policy.Memory) policy.Memory { return m.LaunchFailed(now, 1, zone("B")) },
			[]serve.Offer{second(offer("cloud/r/A", serve.Spot, 1)), offer("cloud/r/B", serve.Spot, 2)}, "cloud/r/A",
		},
		{
			"not where there was no capacity", nil,
			func(m policy.Memory) policy.Memory { return m.LaunchFailed(now, 1, zone("A")) }, abc(), "cloud/r/B",
		},
		{
			"there again after ten seconds", nil,
			func(m policy.Memory) policy.Memory { return m.LaunchFailed(now.Add(-10*time.Second), 1, zone("A")) }, abc(), "cloud/r/A",
		},
		{
			"not where a machine was just taken", nil,
			func(m policy.Memory) policy.Memory { return m.Preempted(now.Add(-29*time.Second), zone("A"), 0) }, abc(), "cloud/r/B",
		},
		{
			"there again after thirty seconds", nil,
			func(m policy.Memory) policy.Memory { return m.Preempted(now.Add(-30*time.Second), zone("A"), 0) }, abc(), "cloud/r/A",
		},
		{
			"not where machines are about to be taken, though there is no other place", nil,
			func(m policy.Memory) policy.Memory {
				return m.Preempted(now.Add(-time.Minute), zone("A"), 2*time.Minute)
			}, abc()[2:3], "*",
		},
		{
			"there again when they are", nil,
			func(m policy.Memory) policy.Memory {
				return m.Preempted(now.Add(-2*time.Minute), zone("A"), 2*time.Minute)
			}, abc()[2:3], "cloud/r/A",
		},
		{
			"where machines are taken seldom", nil,
			func(m policy.Memory) policy.Memory {
				m.Risk.ColdStart = 600
				return m.Preempted(now.Add(-time.Hour), zone("A"), 0)
			}, []serve.Offer{zone("A"), zone("B"), offer("cloud/r/A", serve.OnDemand, 3)}, "cloud/r/B",
		},
		{
			"but not at any price", nil,
			func(m policy.Memory) policy.Memory {
				m.Risk.ColdStart = 600
				return m.Preempted(now.Add(-time.Hour), zone("A"), 0)
			}, []serve.Offer{zone("A"), offer("cloud/r/B", serve.Spot, 2), offer("cloud/r/A", serve.OnDemand, 3)}, "cloud/r/A",
		},
		{
			"half of the replicas elsewhere, if that is nearly as cheap", []string{"1 spot READY in cloud/r/A"}, nil,
			[]serve.Offer{zone("A"), offer("cloud/r/B", serve.Spot, 1.2)}, "cloud/r/B",
		},
		{
			"another machine in the same zone is another pool", nil,
			func(m policy.Memory) policy.Memory { return m.LaunchFailed(now, 1, zone("A")) },
			[]serve.Offer{zone("A"), {Location: zone("A").Location, Market: serve.Spot, InstanceType: "m4", Price: 1}, offer("cloud/r/B", serve.Spot, 2)}, "cloud/r/A",
		},
		{
			"at one price where the fewest are", []string{"1 spot READY in cloud/east/east-a"}, nil,
			[]serve.Offer{offer("cloud/east/east-a", serve.Spot, 1), offer("cloud/east/east-b", serve.Spot, 1)}, "cloud/east/east-b",
		},
		{
			"or the fewest in the region", []string{"1 spot READY in cloud/east/east-a"}, nil,
			[]serve.Offer{offer("cloud/east/east-b", serve.Spot, 1), offer("cloud/west/west-a", serve.Spot, 1)}, "cloud/west/west-a",
		},
		{
			"replicas of the other market do not count", []string{"1 on-demand READY in cloud/east/east-a"}, nil,
			everywhere(), "cloud/east/east-a",
		},
		{
			"nor do terminal ones", []string{"1 spot SHUTTING_DOWN in cloud/east/east-a"}, nil,
			everywhere(), "cloud/east/east-a",
		},
		{
			"those of old revisions do", []string{"1 spot READY v9 in cloud/east/east-a"}, nil,
			everywhere(), "cloud/west/west-a",
		},
		{
			"the refusals of the other market do not count", nil,
			func(m policy.Memory) policy.Memory {
				return m.LaunchFailed(now, 1, offer("cloud/r/A", serve.OnDemand, 1))
			}, abc(), "cloud/r/A",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, spotSpec(fixed(2)), row.replicas...)
			w.in.Offers = row.offers
			if row.memory != nil {
				w.in.Memory = row.memory(w.in.Memory)
			}
			w.decide()
			if got, _, _ := strings.Cut(w.places(), " "); got != row.want {
				t.Errorf("placed in %s, not %s", got, row.want)
			}
		})
	}
}

func TestReplicasOfOneStepAreSpread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(fixed(2), dynamic))
	w.step()
	if got, want := w.places(), "cloud/east/east-a cloud/west/west-a cloud/east/east-a cloud/west/west-a"; got != want {
		t.Errorf("placed in %s, not %s", got, want)
	}
}

func TestReplicaWaitsForAnOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(fixed(2), dynamic))
	w.in.Offers = []serve.Offer{zone("A"), zone("B"), offer("cloud/r/A", serve.OnDemand, 9)}
	w.in.Memory = w.in.Memory.LaunchFailed(w.now.Add(-4*time.Second), 1, zone("A")).LaunchFailed(w.now, 1, zone("B"))
	w.want("no spot offer is free", "launch spot 1, launch spot 2, launch on-demand 3, launch on-demand 4")
	if got, want := w.places(), "* * cloud/r/A cloud/r/A"; got != want {
		t.Errorf("placed in %s, not %s", got, want)
	}
	first := w.out.Decisions[0]
	if want := "0 of 2 wanted spot replicas are there: the target is 2, of which 0 on-demand; it waits, as all 2 spot offers are blocked, the first until 12:00:06 UTC"; first.Reason != want {
		t.Errorf("got  %q\nwant %q", first.Reason, want)
	}
	if diff := cmp.Diff([]serve.Rejection{
		{What: "spot m2 in cloud/r/A at $1", Why: "no capacity (once in a row), blocked until 12:00:06 UTC"},
		{What: "spot m2 in cloud/r/B at $1", Why: "no capacity (once in a row), blocked until 12:00:10 UTC"},
	}, first.Rejected); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	w.want("nothing has changed", "")
	if want := "Replica 1 waits for a machine, as all 2 spot offers are blocked, the first until 12:00:06 UTC."; w.out.Hold != want {
		t.Errorf("got  %q\nwant %q", w.out.Hold, want)
	}
	if want := w.now.Add(6 * time.Second); !w.out.Next.Equal(want) {
		t.Errorf("Next is %v, and the first block ends at %v", w.out.Next, want)
	}
	w.now = w.out.Next
	w.want("A may be tried, by one first", "retry 1")
	if want := "Replica 2 waits for a machine, as all 2 spot offers are blocked, the first until 12:00:10 UTC."; w.out.Hold != want {
		t.Errorf("got  %q\nwant %q", w.out.Hold, want)
	}
	w.refuse(1)
	w.want("it was refused", "")
	if want := w.now.Add(4 * time.Second); !w.out.Next.Equal(want) {
		t.Errorf("Next is %v, and the block of B ends at %v", w.out.Next, want)
	}
	w.in.Memory = w.in.Memory.CapacityReturned(serve.ParseLocation("cloud/r/A"), serve.Spot)
	w.want("the cloud tells that there are some in A", "retry 1, retry 2")
}

func TestOneAsksFirstWhereMachinesWereRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(fixed(3)))
	w.in.Offers = []serve.Offer{zone("A")}
	w.want("nothing is known of A", "launch spot 1, launch spot 2, launch spot 3")
	for id := range int64(3) {
		w.refuse(id + 1)
	}
	w.want("it has none", "")
	w.now = w.out.Next
	w.want("it may have some again", "retry 1")
	w.want("replica 1 asks", "")
	if want := "Replica 2 waits for a machine, as another replica asks first where machines were refused lately."; w.out.Hold != want {
		t.Errorf("got  %q\nwant %q", w.out.Hold, want)
	}
	w.find(1).Launch = serve.LaunchSucceeded
	w.in.Memory = w.in.Memory.LaunchSucceeded(zone("A"))
	w.want("replica 1 has a machine", "retry 2, retry 3")
}

func TestReplicaThatHasToGoIsNotGivenAnOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)), "1 on-demand PROVISIONING", "2 on-demand READY")
	w.find(1).Launch, w.find(1).Offer = serve.LaunchWaiting, serve.Offer{}
	w.want("one is too many", "remove 1")
}

func TestReplicasOfOldRevisionsWaitToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)), "1 on-demand PROVISIONING v1", "2 on-demand FAILED_INITIAL_DELAY v2")
	w.in.Revision = 2
	w.find(1).Launch, w.find(1).Offer = serve.LaunchWaiting, serve.Offer{}
	w.want("the new revision is broken", "retry 1")
}

func TestRefusalOutweighsPreemption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec())
	w.in.Offers = []serve.Offer{zone("A")}
	w.in.Memory = w.in.Memory.Preempted(w.now, zone("A"), 0).LaunchFailed(w.now, 1, zone("A"))
	w.want("it takes machines away, and has none", "launch spot 1")
	if got, want := w.out.Decisions[0].Rejected[0].Why, "no capacity (once in a row), blocked until 12:00:10 UTC"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	w.now = w.out.Next
	w.want("it may have some again", "retry 1")
}

// Without another offer a pool that takes machines away is better than none.
func TestPreemptingPoolIsAskedWhenThereIsNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec())
	w.in.Offers = abc()[:3]
	for i, name := range []string{"C", "A", "B"} {
		w.in.Memory = w.in.Memory.Preempted(w.now.Add(time.Duration(i)*time.Second), zone(name), 0)
	}
	w.pass(5 * time.Second)
	w.want("all have taken one", "launch spot 1")
	if got := w.places(); got != "cloud/r/C" {
		t.Errorf("placed in %s, and not where it is longest ago", got)
	}
	w.in.Memory = w.in.Memory.LaunchFailed(w.now, 1, zone("C"))
	w.vanish(1)
	w.want("C has none left", "launch spot 2")
	if got := w.places(); got != "cloud/r/A" {
		t.Errorf("placed in %s", got)
	}
}

func TestNoOfferAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec())
	w.in.Offers = []serve.Offer{offer("cloud/r/A", serve.OnDemand, 1)}
	w.want("on-demand alone is offered", "launch spot 1")
	d := w.out.Decisions[0]
	if want := "0 of 1 wanted spot replicas are there: the target is 1; it waits, as no cloud offers a spot machine that fits"; d.Reason != want || !d.Offer.IsZero() {
		t.Errorf("got  %q from %v\nwant %q", d.Reason, d.Offer, want)
	}
	w.want("still", "")
	w.in.Offers = abc()
	w.want("now spot is", "retry 1")
}

func TestDecisionsNameWhatWasPassedOver(t *testing.T) {
	t.Parallel()
	now := noon()
	w := newWorld(t, spotSpec(fixed(2)), "1 spot READY in cloud/r/B")
	late := offer("cloud/r/D", serve.Spot, 0.5)
	late.Rank = 1
	w.in.Offers = append([]serve.Offer{late, offer("cloud/r/E", serve.Spot, 2), offer("cloud/s/F", serve.Spot, 2), offer("cloud/s/G", serve.Spot, 2)}, abc()...)
	w.in.Memory = w.in.Memory.Preempted(now.Add(-31*time.Second), zone("A"), 0).Preempted(now, zone("A"), 0)
	w.want("the second replica", "launch spot 2")
	d := w.out.Decisions[0]
	if d.Offer.Location.Zone != "F" {
		t.Errorf("placed in %v", d.Offer.Location)
	}
	if diff := cmp.Diff([]serve.Rejection{
		{What: "spot m2 in cloud/r/A at $1", Why: "preempted (2 times lately), avoided until 12:01:00 UTC"},
		{What: "spot m2 in cloud/s/G at $2", Why: "no better, and later in the list of offers"},
		{What: "spot m2 in cloud/r/E at $2", Why: "has 1 replica in its region already, and the chosen one 0"},
		{What: "spot m2 in cloud/r/B at $2", Why: "has 1 replica already, and the chosen one 0"},
		{What: "spot m2 in cloud/r/C at $3", Why: "dearer than $2"},
		{What: "spot m2 in cloud/r/D at $0.5", Why: "later in the order of preference, 1 after 0"},
	}, d.Rejected); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	for i := range 20 {
		w.in.Offers = append(w.in.Offers, offer(fmt.Sprintf("cloud/t/%d", i), serve.Spot, 4))
	}
	w.vanish(2)
	w.want("again", "launch spot 3")
	if n := len(w.out.Decisions[0].Rejected); n != 8 {
		t.Errorf("%d alternatives are listed", n)
	}
}
