// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Zones is what SkyServe's placer "dynamic_fallback" knows of the places where
// spot machines can be had: each is ACTIVE, or PREEMPTED since a machine was
// lost or refused there. As soon as fewer than two are ACTIVE, all are again.
type Zones struct {
	// Candidates are the places there are, by the last evaluation.
	Candidates []serve.Location `json:"candidates,omitempty"`
	// Preempted are those that are PREEMPTED.
	Preempted []serve.Location `json:"preempted,omitempty"`
}

// among gives the zones with the candidates brought up to date: those that
// offers name. Where nothing is offered, nothing is learnt.
func (z Zones) among(offers []serve.Offer) Zones {
	var places []serve.Location
	for _, o := range offers {
		if o.Market == serve.Spot && !slices.Contains(places, o.Location) {
			places = append(places, o.Location)
		}
	}
	if len(places) == 0 {
		return z
	}
	var preempted []serve.Location
	for _, l := range z.Preempted {
		if slices.Contains(places, l) {
			preempted = append(preempted, l)
		}
	}
	return Zones{places, preempted}.reset()
}

// preempted gives the zones with one of them PREEMPTED.
func (z Zones) preempted(l serve.Location) Zones {
	z = z.activated(l)
	z.Preempted = append(z.Preempted, l)
	return z.reset()
}

// activated gives the zones with one of them ACTIVE.
func (z Zones) activated(l serve.Location) Zones {
	var rest []serve.Location
	for _, p := range z.Preempted {
		if p != l {
			rest = append(rest, p)
		}
	}
	z.Preempted = rest
	return z
}

// reset makes all zones ACTIVE when fewer than two are. Before the first
// evaluation nobody knows how many there are.
func (z Zones) reset() Zones {
	active := 0
	for _, l := range z.Candidates {
		active += countIf(z.active(l))
	}
	if len(z.Candidates) > 0 && active < 2 {
		z.Preempted = nil
	}
	return z
}

func (z Zones) active(l serve.Location) bool { return !slices.Contains(z.Preempted, l) }

// dynamicFallback is the rule of SkyServe's placer of that name: the cheapest
// ACTIVE zone where no spot replica is or was, of those that are still shown;
// if there is none, the cheapest ACTIVE zone. It heeds no order of preference, as
// it is for entries that differ in their place only. Beyond SkyServe's rule, an offer
// is not tried again just after it was refused: SkyServe goes on asking in a
// dead zone.
func (e *evaluation) dynamicFallback(offers []serve.Offer) []candidate {
	candidates := make([]candidate, len(offers))
	for i, o := range offers {
		c := candidate{Offer: o, against: e.refusals(o), location: countIf(e.spread.visited[o.Location])}
		if !e.memory.Zones.active(o.Location) {
			c.against = block{why: fmt.Sprintf("the zone is PREEMPTED: the last spot machine in %s was lost or refused", o.Location)}
		}
		candidates[i] = c
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.location, b.location), cmp.Compare(a.Price, b.Price))
	})
	return candidates
}
