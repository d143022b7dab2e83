// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package ledger keeps the books of a service: machine-hours and dollars in
// each market, what the same machines would have cost on demand, how long fewer
// replicas than wanted took requests, and what each interruption cost.
//
// It is a pure function. Whoever follows a service calls [Next] at every change
// with what is there then, and keeps the [serve.Ledger] that comes back. Between
// two calls everything is taken to stay as it was, also across the restart of a
// controller: the machines cost money meanwhile, whether anyone looks or not.
//
// A worked example. At 10:00 two spot machines come up at $0.03 an hour, where
// $0.10 is the price on demand; one is taken at 10:30 without notice, and its
// successor is up at 10:31. At 11:00 the books say: 1.983 spot hours, spent
// $0.0595, saved $0.1388, 60 seconds below the target of two, and one
// interruption that cost these 60 seconds.
package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A ledger is saved and shown as a whole with every change, so it is bounded:
// these many interruptions, and spans of the timeline.
const (
	maxInterruptions = 50
	maxSpans         = 300
)

// Sample is what is there at a moment.
type Sample struct {
	At       time.Time
	Replicas []serve.Replica
	// Offers are what could be had, for the prices on demand.
	Offers []serve.Offer
	// Ready is how many replicas take requests, and Target how many are wanted.
	Ready, Target int
}

// Next brings a ledger to a sample. It gives the ledger back as it was, and
// false, when the sample says nothing new.
func Next(l serve.Ledger, s Sample) (serve.Ledger, bool) {
	machines := paidFor(l.Machines, s)
	if !l.At.IsZero() && l.Ready == s.Ready && l.Target == s.Target && slices.Equal(l.Machines, machines) {
		return l, false
	}
	if l.At.IsZero() {
		l.Since, l.At = s.At, s.At
	}
	l = l.Until(s.At)
	fresh := lost(l.Machines, machines, s.Replicas)
	l.Ready, l.Target, l.Machines = s.Ready, s.Target, machines
	l.Interrupted += len(fresh)
	l.Interruptions = settle(append(slices.Clone(l.Interruptions), fresh...), l)
	l.Interruptions = l.Interruptions[max(0, len(l.Interruptions)-maxInterruptions):]
	l.Timeline = extend(l.Timeline, span(l))
	return l, true
}

// paidFor gives the machines that are there, by the rule that also says what a
// service costs per hour: from the end of the launch to that of the teardown.
func paidFor(before []serve.Machine, s Sample) []serve.Machine {
	var machines []serve.Machine
	for _, r := range s.Replicas {
		if r.Launch != serve.LaunchSucceeded || r.Teardown == serve.TeardownSucceeded {
			continue
		}
		known, _ := find(before, r.ID)
		machines = append(machines, serve.Machine{
			Replica: r.ID, Market: r.Market, Price: r.Offer.Price,
			Regular:     regular(r, known.Regular, s.Offers),
			Interrupted: interrupted(r),
		})
	}
	return machines
}

// regular is what the machine of a replica would cost on demand: the price of
// its type in its place, or wherever that is cheapest; else what it was when it
// was last offered; else that of the cheapest machine that would have done. If
// nothing is known, nothing is saved.
func regular(r serve.Replica, known float64, offers []serve.Offer) float64 {
	if r.Market != serve.Spot {
		return r.Offer.Price
	}
	var here, sameType, cheapest float64
	for _, o := range offers {
		if o.Market != serve.OnDemand {
			continue
		}
		cheapest = least(cheapest, o.Price)
		if o.InstanceType != r.Offer.InstanceType || o.Location.Cloud != r.Offer.Location.Cloud {
			continue
		}
		sameType = least(sameType, o.Price)
		if o.Location == r.Offer.Location {
			here = o.Price
		}
	}
	for _, price := range []float64{here, sameType, known, cheapest} {
		if price > 0 {
			return price
		}
	}
	return r.Offer.Price
}

// least is the lower of two prices, where 0 is none.
func least(a, b float64) float64 {
	if a == 0 || b < a {
		return b
	}
	return a
}

// find gives the machine of a replica. Replicas are recorded in order of id, and
// so are machines.
func find(machines []serve.Machine, replica int64) (serve.Machine, bool) {
	i, there := slices.BinarySearchFunc(machines, replica, func(m serve.Machine, id int64) int { return cmp.Compare(m.Replica, id) })
	if !there {
		return serve.Machine{}, false
	}
	return machines[i], true
}
