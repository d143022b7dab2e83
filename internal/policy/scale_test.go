// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// large is a service of so many replicas over so many locations, all ready, that
// has lost machines in every pool so many times.
func large(t testing.TB, replicas, locations, losses int) *world {
	w := newWorld(t, spotSpec(fixed(replicas), base(replicas/10), dynamic))
	w.in.Offers, w.in.Replicas = nil, nil
	for i := range locations {
		at := fmt.Sprintf("cloud/r%d/z%d", i/5, i)
		w.in.Offers = append(w.in.Offers, offer(at, serve.Spot, 1+float64(i%5)/100), offer(at, serve.OnDemand, 3))
	}
	for range losses {
		for _, o := range w.in.Offers {
			if o.Market == serve.Spot {
				w.in.Memory = w.in.Memory.Preempted(w.now, o, 0).LaunchFailed(w.now, 1, o)
			}
		}
		w.pass(time.Hour)
	}
	w.pass(2 * time.Hour)
	w.in.Memory.Risk.ColdStart = 180
	for id := range int64(replicas) {
		market := serve.Spot
		if id < int64(replicas/10) {
			market = serve.OnDemand
		}
		w.in.Replicas = append(w.in.Replicas, serve.Replica{
			ID: id + 1, Revision: 1, Market: market, Offer: w.in.Offers[2*(int(id)%locations)], Launch: serve.LaunchSucceeded, Ready: true,
			Task: w.in.Spec.Task.Digest(), CreatedAt: w.now, LaunchedAt: w.now, FirstReadyAt: w.now,
		})
		w.in.Replicas[id].Offer.Market = market
		w.in.NextID = id + 2
	}
	return w
}

// What is remembered is bounded by how many pools there are, and not by how often
// something happened there.
func TestPlanDoesNotGrowWithHistory(t *testing.T) {
	few, many := large(t, 100, 20, 1), large(t, 100, 20, 2000)
	for _, w := range []*world{few, many} {
		w.step()
		w.in.Memory = w.out.Memory
	}
	if a, b := len(few.in.Memory.Pools), len(many.in.Memory.Pools); a != 20 || b != 20 {
		t.Errorf("after one loss %d pools are remembered, after many %d", a, b)
	}
	if n := len(many.in.Memory.Risk.Losses); n > 3 {
		t.Errorf("%d losses are remembered", n)
	}
	allocations := func(w *world) float64 {
		return testing.AllocsPerRun(100, func() { policy.Plan(w.now, w.in) })
	}
	if a, b := allocations(few), allocations(many); b > a+5 {
		t.Errorf("Plan allocates %v times after one loss in each pool, and %v times after many", a, b)
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, size := range []struct{ replicas, locations int }{{10, 3}, {100, 25}, {1000, 100}} {
		b.Run(fmt.Sprintf("%d replicas in %d locations, nothing to do", size.replicas, size.locations), func(b *testing.B) {
			w := large(b, size.replicas, size.locations, 5)
			w.step()
			for b.Loop() {
				policy.Plan(w.now, w.in)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "evaluations/s")
		})
		b.Run(fmt.Sprintf("%d replicas in %d locations, one lost", size.replicas, size.locations), func(b *testing.B) {
			w := large(b, size.replicas, size.locations, 5)
			w.step()
			w.lose(0, int64(size.replicas))
			for b.Loop() {
				policy.Plan(w.now, w.in)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "evaluations/s")
		})
	}
}
