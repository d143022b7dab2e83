// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// ReplayOptions says how a service meets a trace.
type ReplayOptions struct {
	// ColdStart is how long a machine takes from its launch until it is ready.
	ColdStart time.Duration
	// PriceRatio is what an on-demand machine costs, where a spot one costs 1.
	PriceRatio float64
	// Notice is how long before a spot machine is taken its loss is announced; 0
	// is not at all.
	Notice time.Duration
	// Timeline asks for what happened in each step.
	Timeline bool
}

// Replay has a service live through a trace. Its target is min_replicas, as a
// trace has no load; of its resources the trace stands in for the machine and
// its places.
func Replay(trace *Trace, spec serve.Spec, o ReplayOptions) (Result, error) {
	r := newReplay(trace, spec, o)
	for r.at = range trace.Steps() {
		if err := r.step(); err != nil {
			return Result{}, err
		}
	}
	return r.result(), nil
}

// replay is a trace under way.
type replay struct {
	*fleet
	trace *Trace
	o     ReplayOptions
	at    int
	// ahead is how many steps a notice comes before the loss.
	ahead int
	// zones holds the machines of each zone in the order of their launch.
	zones map[serve.Location]*holding
	order []*holding
	sums  sums
	line  Timeline
}

// holding is what is held in a zone.
type holding struct {
	*Zone
	machines []machine
}

// machine is a spot machine that is held; it is taken at the step gone, if that
// is known.
type machine struct {
	replica int64
	gone    int
}

func newReplay(trace *Trace, spec serve.Spec, o ReplayOptions) *replay {
	r := &replay{trace: trace, o: o, ahead: int(o.Notice / trace.Step), zones: map[serve.Location]*holding{}}
	var offers []serve.Offer
	for i := range trace.Zones {
		z := &holding{Zone: &trace.Zones[i]}
		r.zones[z.Location] = z
		r.order = append(r.order, z)
		spot := serve.Offer{Location: z.Location, Market: serve.Spot, InstanceType: trace.InstanceType, Price: 1}
		onDemand := spot
		onDemand.Market, onDemand.Price = serve.OnDemand, o.PriceRatio
		offers = append(offers, spot, onDemand)
	}
	r.fleet = newFleet(spec, offers, pace{coldStart: o.ColdStart})
	r.grant = func(offer serve.Offer) bool {
		return offer.Market == serve.OnDemand || len(r.zones[offer.Location].machines) < r.zones[offer.Location].Capacity[r.at]
	}
	r.freed = func(replica serve.Replica) {
		if replica.Market == serve.Spot {
			z := r.zones[replica.Offer.Location]
			z.machines = slices.DeleteFunc(z.machines, func(m machine) bool { return m.replica == replica.ID })
		}
	}
	r.granted = func(replica serve.Replica) {
		if replica.Market == serve.Spot {
			z := r.zones[replica.Offer.Location]
			z.machines = append(z.machines, machine{replica: replica.ID})
		}
	}
	return r
}

// now is the time of the present step.
func (r *replay) now() time.Time { return r.trace.Start.Add(time.Duration(r.at) * r.trace.Step) }

// step lets one step happen.
func (r *replay) step() error {
	now := r.now()
	for _, z := range r.order {
		r.takeFrom(z, now)
		r.warnIn(z, now)
	}
	if err := r.settle(now); err != nil {
		return fmt.Errorf("replaying %s: %w", r.trace.Name, err)
	}
	r.judge()
	return nil
}

// takeFrom takes what a zone holds above its capacity, the youngest first, after
// those whose time has come.
func (r *replay) takeFrom(z *holding, now time.Time) {
	for _, m := range slices.Clone(z.machines) {
		if m.gone != 0 && m.gone <= r.at {
			r.take(m.replica, now)
		}
	}
	for len(z.machines) > z.Capacity[r.at] {
		r.take(z.machines[len(z.machines)-1].replica, now)
	}
}

// warnIn gives notice of losses to come in a zone, as far ahead as notice is
// given. Machines that were launched since are told later.
func (r *replay) warnIn(z *holding, now time.Time) {
	for step := r.at + 1; step <= min(r.at+r.ahead, len(z.Capacity)-1); step++ {
		stay := 0
		for _, m := range z.machines {
			if m.gone == 0 || m.gone > step {
				stay++
			}
		}
		for i := len(z.machines) - 1; i >= 0 && stay > z.Capacity[step]; i-- {
			if z.machines[i].gone == 0 {
				z.machines[i].gone = step
				stay--
				r.warn(z.machines[i].replica, now, now.Add(time.Duration(step-r.at)*r.trace.Step))
			}
		}
	}
}
