// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// blocks gives for how long a pool is blocked after each of several failures,
// each one the given time after the end of the block before.
func blocks(n int, pause time.Duration, mark func(policy.Memory, time.Time) policy.Memory, until func(policy.Pool) time.Time) []time.Duration {
	var m policy.Memory
	var all []time.Duration
	now := noon()
	for range n {
		m = mark(m, now)
		end := until(m.Pools[zone("A").Key()])
		all = append(all, end.Sub(now)/time.Second)
		now = end.Add(pause)
	}
	return all
}

func refusedA(m policy.Memory, now time.Time) policy.Memory   { return m.LaunchFailed(now, 1, zone("A")) }
func preemptedA(m policy.Memory, now time.Time) policy.Memory { return m.Preempted(now, zone("A"), 0) }
func doubtedA(m policy.Memory, now time.Time) policy.Memory   { return m.Doubted(now, zone("A")) }
func refusedUntil(p policy.Pool) time.Time                    { return p.Refused.Until }
func preemptedUntil(p policy.Pool) time.Time                  { return p.Preempted.Until }

func TestBlocksGrow(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		got  []time.Duration
		want string
	}{
		{"refusals", blocks(8, 0, refusedA, refusedUntil), "[10ns 20ns 40ns 80ns 160ns 300ns 300ns 300ns]"},
		{"preemptions", blocks(7, 0, preemptedA, preemptedUntil), "[30ns 60ns 120ns 240ns 480ns 600ns 600ns]"},
		{"warnings", blocks(3, 0, doubtedA, preemptedUntil), "[30ns 60ns 120ns]"},
		{"preemptions within the hour", blocks(3, 50*time.Minute, preemptedA, preemptedUntil), "[30ns 60ns 120ns]"},
		{"preemptions hours apart", blocks(3, time.Hour, preemptedA, preemptedUntil), "[30ns 30ns 30ns]"},
	}
	for _, row := range rows {
		if got := fmt.Sprint(row.got); got != row.want {
			t.Errorf("%s block for %s, not %s (seconds)", row.name, got, row.want)
		}
	}
}

func TestAWarningIsNoLoss(t *testing.T) {
	t.Parallel()
	m := policy.Memory{}.Doubted(noon(), zone("A"))
	if p := m.Pools[zone("A").Key()]; p.Record.Losses != 0 || len(m.Risk.Losses) != 0 || !p.TakenAt.IsZero() {
		t.Errorf("a warning counts as a loss: %+v, %+v", p, m.Risk)
	}
}

func TestOneShortageIsOneRefusal(t *testing.T) {
	t.Parallel()
	var m policy.Memory
	for i := range 10 {
		m = refusedA(m, noon().Add(time.Duration(i)*time.Second))
	}
	if len(m.Zones.Preempted) != 1 {
		t.Errorf("one zone is PREEMPTED more than once: %v", m.Zones.Preempted)
	}
	got := m.Pools[zone("A").Key()].Refused
	if want := noon().Add(19 * time.Second); got.Count != 1 || !got.Until.Equal(want) {
		t.Errorf("ten refusals within nine seconds: %+v; want one, until %v", got, want)
	}
}

func TestSuccessClearsRefusals(t *testing.T) {
	t.Parallel()
	m := refusedA(preemptedA(policy.Memory{}, noon()), noon()).LaunchSucceeded(zone("A"))
	p := m.Pools[zone("A").Key()]
	if p.Refused != (policy.Mark{}) || p.Preempted.Count != 1 {
		t.Errorf("a launch that succeeds leaves %+v", p)
	}
	m = refusedA(policy.Memory{}, noon()).LaunchSucceeded(zone("A"))
	if m.Pools != nil {
		t.Errorf("nothing is left to be remembered, but %v is", m.Pools)
	}
}

func TestCapacityReturns(t *testing.T) {
	t.Parallel()
	marked := func() policy.Memory {
		m := preemptedA(refusedA(policy.Memory{}, noon()), noon())
		m = m.LaunchFailed(noon(), 1, offer("cloud/r/A", serve.OnDemand, 1))
		return m.LaunchFailed(noon(), 1, offer("other/s/B", serve.Spot, 1))
	}
	rows := []struct {
		infra  string
		market serve.Market
		left   int
	}{
		{"cloud/r/A", serve.Spot, 2},
		{"cloud/r", serve.Spot, 2},
		{"cloud", serve.Spot, 2},
		{"cloud", serve.OnDemand, 2},
		{"cloud", "", 1},
		{"*", serve.Spot, 1},
		{"*", "", 0},
		{"cloud/r/B", serve.Spot, 3},
	}
	for _, row := range rows {
		m := marked()
		left := 0
		for _, p := range m.CapacityReturned(serve.ParseLocation(row.infra), row.market).Pools {
			if p.Refused != (policy.Mark{}) || p.Preempted != (policy.Mark{}) {
				left++
			}
		}
		if left != row.left {
			t.Errorf("%s machines return in %s: %d pools stay marked, not %d", row.market, row.infra, left, row.left)
		}
		if diff := cmp.Diff(marked(), m); diff != "" {
			t.Errorf("the memory itself changed (-want +got):\n%s", diff)
		}
	}
}

func TestMemoryForgets(t *testing.T) {
	t.Parallel()
	var m policy.Memory
	for i := range 1000 {
		m = m.LaunchFailed(noon().Add(time.Duration(i)*time.Minute), 1, zone(fmt.Sprint(i)))
		if len(m.Pools) > 61 {
			t.Fatalf("after %d minutes %d pools are remembered", i, len(m.Pools))
		}
	}
	w := newWorld(t, spotSpec())
	w.in.Memory = m
	w.pass(24 * 365 * time.Hour)
	if w.decide(); w.out.Memory.Pools != nil {
		t.Errorf("a year later %d pools are remembered", len(w.out.Memory.Pools))
	}
}

// rich gives a memory in which every field says something.
func rich(t *testing.T) policy.Memory {
	t.Helper()
	w := newWorld(t, spotSpec(scaling(1, 9), placedByFallback), "1 spot FAILED_PROBING", "2 spot READY")
	w.now = w.now.In(time.FixedZone("elsewhere", 3600)).Add(123456789)
	w.in.Offers = abc()
	w.in.Requests = 600
	w.find(2).LaunchedAt = w.now.Add(-time.Minute)
	w.find(2).FirstReadyAt = w.now
	w.step()
	m := w.in.Memory.LaunchFailed(w.now, 3, zone("A")).Preempted(w.now, zone("B"), time.Minute+1)
	if m.Risk.ColdStart == 0 || m.Risk.Notice == 0 || m.Risk.Measured.IsZero() || len(m.Risk.Losses) == 0 || len(m.Zones.Tries) == 0 ||
		m.Pools[zone("B").Key()].TakenAt.IsZero() || m.Pools[zone("B").Key()].Record.Losses == 0 || m.Pools[offer("cloud/east/east-a", serve.Spot, 1).Key()].Record.HeldSince.IsZero() {
		t.Fatalf("the memory is not as rich as it is to be: %+v", m)
	}
	return m
}

func TestMemorySurvivesJSON(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]policy.Memory{"rich": rich(t), "empty": {}} {
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again policy.Memory
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if diff := deepDiff(m, again); diff != "" {
			t.Errorf("the %s memory is changed by JSON: %s", name, diff)
		}
	}
}

func TestMemoryMethodsLeaveTheirReceiverAlone(t *testing.T) {
	t.Parallel()
	m := rich(t)
	before, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	later := noon().Add(3 * time.Hour)
	m.LaunchFailed(later, 1, zone("C"))
	m.Preempted(later, zone("A"), 0)
	m.Doubted(later, zone("A"))
	m.LaunchSucceeded(zone("A"))
	m.CapacityReturned(serve.Location{}, "")
	after, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the memory changed (-before +after):\n%s", diff)
	}
}
