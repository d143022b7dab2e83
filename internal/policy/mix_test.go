// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestMixOfMarkets(t *testing.T) {
	t.Parallel()
	type policies = []func(*serve.ReplicaPolicy)
	two := scaling(2, 3)
	rows := []struct {
		name     string
		policy   policies
		target   int
		replicas []string
		want     string
	}{
		{
			"F1 an empty service launches every spot replica and its stand-in", policies{two, dynamic}, 2,
			nil, "launch spot 1, launch spot 2, launch on-demand 3, launch on-demand 4",
		},
		{
			"F2 all that is wanted is on its way", policies{two, dynamic}, 2,
			[]string{"1 spot PROVISIONING", "2 spot PROVISIONING", "3 on-demand PROVISIONING", "4 on-demand PROVISIONING"}, "",
		},
		{
			"F3 one ready spot replica sends one stand-in home", policies{two, dynamic}, 2,
			[]string{"1 spot READY", "2 spot PROVISIONING", "3 on-demand PROVISIONING", "4 on-demand PROVISIONING"}, "remove 4",
		},
		{
			"F4 two ready spot replicas send both home", policies{two, dynamic}, 2,
			[]string{"1 spot READY", "2 spot READY", "3 on-demand PROVISIONING", "4 on-demand PROVISIONING"}, "remove 4, remove 3",
		},
		{
			"F5 a spot replica that is gone is replaced, and stood in for", policies{two, dynamic}, 2,
			[]string{"2 spot READY", "4 on-demand SHUTTING_DOWN"}, "launch spot 5, launch on-demand 6",
		},
		{
			"F6 so is one whose row is still shown", policies{two, dynamic}, 2,
			[]string{"1 spot PREEMPTED", "2 spot READY"}, "launch spot 3, launch on-demand 4",
		},
		{
			"F7 the replacement is ready and the stand-in goes", policies{two, dynamic}, 2,
			[]string{"2 spot READY", "5 spot READY", "6 on-demand PROVISIONING"}, "remove 6",
		},
		{
			"F8 a base of one leaves one to spot", policies{two, base(1)}, 2,
			nil, "launch spot 1, launch on-demand 2",
		},
		{
			"F8 and two of three", policies{two, base(1)}, 3,
			nil, "launch spot 1, launch spot 2, launch on-demand 3",
		},
		{
			"F9 without dynamic fallback nobody stands in for lost spot replicas", policies{two, base(1)}, 2,
			[]string{"1 spot PREEMPTED", "2 on-demand READY"}, "launch spot 3",
		},
		{
			"F9 and one that finds no capacity goes on trying", policies{two, base(1)}, 2,
			[]string{"2 on-demand READY", "3 spot PROVISIONING"}, "",
		},
		{
			"F10 base and dynamic fallback together", policies{two, base(1), dynamic}, 3,
			nil, "launch spot 1, launch spot 2, launch on-demand 3, launch on-demand 4, launch on-demand 5",
		},
		{
			"F11 the least advanced stand-in goes first", policies{two, base(1), dynamic}, 3,
			[]string{"1 spot READY", "2 spot PROVISIONING", "3 on-demand READY", "4 on-demand READY", "5 on-demand STARTING"}, "remove 5",
		},
		{
			"F11 and at last the base alone is left", policies{two, base(1), dynamic}, 3,
			[]string{"1 spot READY", "2 spot READY", "3 on-demand READY", "4 on-demand READY"}, "remove 4",
		},
		{
			"F12 all spot replicas are lost and one on-demand replica lives", policies{two, base(1), dynamic}, 3,
			[]string{"3 on-demand READY"}, "launch spot 4, launch spot 5, launch on-demand 6, launch on-demand 7",
		},
		{
			"F13 nobody stands in for what is overprovisioned", policies{scaling(1, 3), overprovision(1), dynamic}, 1,
			nil, "launch spot 1, launch spot 2, launch on-demand 3",
		},
		{
			"F14 the stand-in stays until all spot replicas are ready", policies{scaling(1, 3), overprovision(1), dynamic}, 1,
			[]string{"1 spot READY", "2 spot PROVISIONING", "3 on-demand READY"}, "",
		},
		{
			"F15 and goes then", policies{scaling(1, 3), overprovision(1), dynamic}, 1,
			[]string{"1 spot READY", "2 spot READY", "3 on-demand READY"}, "remove 3",
		},
		{
			"F16 two and one overprovisioned have two stand-ins, never three", policies{two, overprovision(1), dynamic}, 2,
			nil, "launch spot 1, launch spot 2, launch spot 3, launch on-demand 4, launch on-demand 5",
		},
		{
			"F17 a lower target takes the newest spot replica and adds nothing", policies{two, dynamic}, 2,
			[]string{"1 spot READY", "2 spot READY", "3 spot READY"}, "remove 3",
		},
		{
			"F18 a spot replica that fails its probe is stood in for", policies{two, dynamic}, 2,
			[]string{"1 spot READY", "2 spot NOT_READY"}, "launch on-demand 3",
		},
		{
			"F19 a base above the target gives way", policies{scaling(1, 2), base(2)}, 1,
			nil, "launch on-demand 1",
		},
		{
			"F20 a base does not keep a service from sleeping", policies{scaling(0, 1), base(1)}, 0,
			nil, "",
		},
		{
			"F20 and is removed when the service goes to sleep", policies{scaling(0, 1), base(1)}, 0,
			[]string{"1 on-demand READY"}, "remove 1",
		},
		{
			"F21 the replicas of an old revision are no part of the mix", policies{two, dynamic}, 2,
			[]string{"1 spot READY v9", "2 spot READY v9"}, "launch spot 3, launch spot 4, launch on-demand 5, launch on-demand 6",
		},
		{
			"without fallback all are spot where the resources are", policies{two}, 2,
			nil, "launch spot 1, launch spot 2",
		},
		{
			"on-demand replicas left by a former policy stay until spot ones are ready", policies{two}, 2,
			[]string{"1 spot READY", "3 on-demand READY", "4 on-demand READY"}, "launch spot 5, remove 4",
		},
		{
			"and go then", policies{two}, 2,
			[]string{"1 spot READY", "2 spot READY", "3 on-demand READY"}, "remove 3",
		},
		{
			"no more are launched of the market that is left", policies{two}, 2,
			[]string{"3 on-demand READY", "4 on-demand PREEMPTED"}, "launch spot 5, launch spot 6",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, spotSpec(row.policy...), row.replicas...)
			w.remember(row.target)
			if got := w.decide(); got != row.want {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
			if w.out.Target != row.target {
				t.Errorf("the target became %d", w.out.Target)
			}
		})
	}
}

func TestOnDemandServiceIsOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(func(p *serve.ReplicaPolicy) { p.MinReplicas, p.MaxReplicas = 2, 2 }), "1 spot READY")
	w.want("the market is on-demand", "launch on-demand 2, launch on-demand 3")
	w.become(2, serve.Ready)
	w.become(3, serve.Ready)
	w.want("what is spot is left over", "remove 1")
}

// The delay of the fallback is the correction of case F18.
func TestFallbackWaitsForItsDelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(2, 3), dynamic, func(p *serve.ReplicaPolicy) {
		p.DynamicOndemandFallbackDelaySeconds = 30
		p.TargetQPSPerReplica, p.MaxReplicas = nil, 2
	}), "1 spot READY", "2 spot READY", "3 spot SHUTTING_DOWN")
	w.become(2, serve.NotReady)
	w.want("a failed probe may be nothing", "")
	if want := w.now.Add(30 * time.Second); !w.out.Next.Equal(want) {
		t.Errorf("Next is %v, and the delay ends at %v", w.out.Next, want)
	}
	w.pass(29 * time.Second)
	w.want("still within the delay", "")
	w.pass(time.Second)
	w.want("the delay is over", "launch on-demand 4")
	w.become(2, serve.Ready)
	w.want("the probe succeeds again", "remove 4")
	w.become(1, serve.Preempted)
	w.want("what is gone is stood in for at once", "launch spot 5, launch on-demand 6")
}

func TestFallbackDelayNeverTakesTheLastReadyReplica(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(dynamic, func(p *serve.ReplicaPolicy) { p.DynamicOndemandFallbackDelaySeconds = 60 }),
		"1 spot NOT_READY", "2 on-demand READY")
	w.want("replica 1 counts as ready, but serves nobody", "")
	w.become(1, serve.Ready)
	w.want("now it does", "remove 2")
}

// The seed document's story, every row of its tables (reference section 6.2).
func TestSeedStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(2, 3), dynamic))
	shows := func(when, want string) {
		t.Helper()
		if got := w.shows(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", when, got, want)
		}
	}
	w.want("empty", "launch spot 1, launch spot 2, launch on-demand 3, launch on-demand 4")
	for id := range int64(4) {
		w.become(id+1, serve.Provisioning)
	}
	shows("table 1", "0/4, 1 spot PROVISIONING, 2 spot PROVISIONING, 3 on-demand PROVISIONING, 4 on-demand PROVISIONING")
	w.want("all are booting", "")

	w.become(1, serve.Ready)
	w.want("only 1 is ready", "remove 4")
	w.become(2, serve.Ready)
	w.want("1 and 2 are ready", "remove 3")
	shows("table 2", "2/4, 1 spot READY, 2 spot READY, 3 on-demand SHUTTING_DOWN, 4 on-demand SHUTTING_DOWN")
	w.vanish(3, 4)
	w.want("the teardowns are done", "")
	shows("table 3", "2/2, 1 spot READY, 2 spot READY")

	w.become(1, serve.Preempted)
	w.want("1 is preempted", "launch spot 5, launch on-demand 6")
	w.become(5, serve.Provisioning)
	w.become(6, serve.Provisioning)
	shows("the row of 1 is still there", "1/4, 1 spot PREEMPTED, 2 spot READY, 5 spot PROVISIONING, 6 on-demand PROVISIONING")
	w.vanish(1)
	w.want("the row of 1 is gone", "")
	shows("table 4", "1/3, 2 spot READY, 5 spot PROVISIONING, 6 on-demand PROVISIONING")

	w.become(5, serve.Ready)
	w.want("5 is ready", "remove 6")
	shows("table 5", "2/3, 2 spot READY, 5 spot READY, 6 on-demand SHUTTING_DOWN")
	w.vanish(6)
	w.want("the teardown of 6 is done", "")
	shows("at the end", "2/2, 2 spot READY, 5 spot READY")
}

func TestSeedStoryWithBothReadyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(2, 3), dynamic))
	w.want("empty", "launch spot 1, launch spot 2, launch on-demand 3, launch on-demand 4")
	w.become(1, serve.Ready)
	w.become(2, serve.Ready)
	w.want("the newest stand-in goes first", "remove 4, remove 3")
}

// Reference section 6.3.
func TestExampleB(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(2, 3), base(1)))
	w.want("empty", "launch spot 1, launch on-demand 2")
	w.become(1, serve.Ready)
	w.become(2, serve.Ready)
	w.want("steady", "")
	w.become(1, serve.Preempted)
	w.want("spot is lost", "launch spot 3")
	w.become(3, serve.Provisioning)
	w.vanish(1)
	w.want("and not to be had: capacity is 1", "")
}

// Reference section 6.4.
func TestExampleC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(base(1), dynamic, func(p *serve.ReplicaPolicy) { p.MinReplicas, p.MaxReplicas = 3, 3 }))
	w.want("empty", "launch spot 1, launch spot 2, launch on-demand 3, launch on-demand 4, launch on-demand 5")
	w.become(1, serve.Ready)
	w.become(3, serve.Ready)
	w.become(4, serve.Ready)
	w.become(5, serve.Starting)
	w.want("one spot replica is ready", "remove 5")
	w.become(2, serve.Ready)
	w.want("both are", "remove 4")
	w.become(1, serve.Preempted)
	w.become(2, serve.Preempted)
	w.want("all spot is lost", "launch spot 6, launch spot 7, launch on-demand 8, launch on-demand 9")
}

// Reference section 6.5.
func TestExampleD(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(1, 3), overprovision(1), dynamic))
	w.want("empty", "launch spot 1, launch spot 2, launch on-demand 3")
	w.become(1, serve.Ready)
	w.become(3, serve.Ready)
	w.want("one is ready", "")
	w.become(2, serve.Ready)
	w.want("both are", "remove 3")
}

// Reference section 6.6, with the target falling by itself.
func TestExampleE(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(2, 3), dynamic, func(p *serve.ReplicaPolicy) { p.DownscaleDelaySeconds = 0 }),
		"1 spot READY", "2 spot READY", "3 spot READY")
	w.remember(3)
	w.want("traffic for three", "")
	w.in.Requests = 120
	w.want("traffic for two", "remove 3")
}

// Reference section 6.7: during an update up to g + o + g replicas are new.
func TestUpdateStartsWithTheFullMixture(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(2, 3), overprovision(1), dynamic), "1 spot READY", "2 spot READY", "3 spot READY")
	w.remember(2)
	w.update(func(s *serve.Spec) { s.Run = "better server" })
	w.want("the new revision", "launch spot 4, launch spot 5, launch spot 6, launch on-demand 7, launch on-demand 8")
}

// Reference section 13, items 6 and 14.
func TestPolicyMayChangeItsKindAnyTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(scaling(2, 3), dynamic))
	w.step()
	w.become(3, serve.Ready)
	w.become(4, serve.Ready)
	w.update(func(s *serve.Spec) { s.ReplicaPolicy.DynamicOndemandFallback = false })
	w.want("fallback is switched off while it serves", "relabel 1, relabel 2, relabel 3, relabel 4")
	w.become(1, serve.Ready)
	w.want("spot takes over", "remove 4")
	w.become(2, serve.Ready)
	w.want("for good", "remove 3")
	w.vanish(3, 4)
	w.update(func(s *serve.Spec) { s.ReplicaPolicy.BaseOndemandFallbackReplicas = 1 })
	w.want("a base is switched on", "relabel 1, relabel 2, launch on-demand 5, remove 2")
	w.vanish(2)
	w.become(5, serve.Ready)
	w.update(func(s *serve.Spec) {
		s.ReplicaPolicy.BaseOndemandFallbackReplicas, s.Resources.UseSpot = 0, nil
	})
	w.want("the market changes, and with it the task", "launch on-demand 6, launch on-demand 7")
	w.become(6, serve.Ready)
	w.become(7, serve.Ready)
	w.want("the new revision takes over", "remove 5, remove 1")
}
