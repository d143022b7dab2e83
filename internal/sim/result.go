// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import "github.com/serve-infra/terraform-provider-serve/internal/serve"

// Result sums up a replay. Shares are between 0 and 1.
type Result struct {
	// CostVsOnDemand is what was paid, where 1 is as many on-demand machines as
	// the target, all the time.
	CostVsOnDemand float64 `json:"cost_vs_on_demand"`
	// Availability is the share of time with as many ready replicas as the target.
	Availability float64 `json:"availability"`
	// Served is the mean of min(ready, target) / target.
	Served float64 `json:"served"`
	// Low is the share of time with fewer ready replicas than half the target.
	Low float64 `json:"low"`
	// Preemptions counts the spot machines that were taken, SpotLaunches and
	// OnDemandLaunches those that were granted.
	Preemptions      int `json:"preemptions"`
	SpotLaunches     int `json:"spot_launches"`
	OnDemandLaunches int `json:"on_demand_launches"`
	// OnDemandShare is the share of machine hours that were on-demand.
	OnDemandShare float64 `json:"on_demand_share"`

	// Timeline is what happened in each step, if it was asked for.
	Timeline *Timeline `json:"-"`
}

// Timeline is what happened in each step of a replay.
type Timeline struct {
	// Spot and OnDemand count the machines there were, Ready the replicas that
	// were ready, and Held the spot machines in each zone of the trace.
	Spot, OnDemand, Ready []int
	Held                  [][]int
}

// sums adds up the steps that count.
type sums struct {
	steps, spot, onDemand, available, low int
	served                                float64
}

// target is how many replicas there should be.
func (r *replay) target() int { return r.state.Spec.ReplicaPolicy.MinReplicas }

// judge takes in the step as it is after everybody acted.
func (r *replay) judge() {
	spot, onDemand, ready := 0, 0, 0
	for i := range r.state.Replicas {
		replica := &r.state.Replicas[i]
		if replica.Launch != serve.LaunchSucceeded {
			continue
		}
		if replica.Market == serve.Spot {
			spot++
		} else {
			onDemand++
		}
		// A machine under notice serves until it is taken.
		if replica.Ready {
			ready++
		}
	}
	if r.o.Timeline {
		r.line.Spot, r.line.OnDemand, r.line.Ready = append(r.line.Spot, spot), append(r.line.OnDemand, onDemand), append(r.line.Ready, ready)
		held := make([]int, len(r.order))
		for i, z := range r.order {
			held[i] = len(z.machines)
		}
		r.line.Held = append(r.line.Held, held)
	}
	if r.now().Sub(r.trace.Start) < r.o.ColdStart {
		return
	}
	s, target := &r.sums, r.target()
	s.steps++
	s.spot += spot
	s.onDemand += onDemand
	if ready >= target {
		s.available++
	}
	if 2*ready < target {
		s.low++
	}
	s.served += float64(min(ready, target)) / float64(target)
}

func (r *replay) result() Result {
	s := r.sums
	steps, all := float64(max(s.steps, 1)), r.o.PriceRatio*float64(r.target())
	result := Result{
		CostVsOnDemand: (float64(s.spot) + r.o.PriceRatio*float64(s.onDemand)) / (all * steps),
		Availability:   float64(s.available) / steps,
		Served:         s.served / steps,
		Low:            float64(s.low) / steps,
		Preemptions:    r.preemptions, SpotLaunches: r.spotLaunches, OnDemandLaunches: r.onDemandLaunches,
		OnDemandShare: float64(s.onDemand) / float64(max(s.spot+s.onDemand, 1)),
	}
	if r.o.Timeline {
		result.Timeline = &r.line
	}
	return result
}
