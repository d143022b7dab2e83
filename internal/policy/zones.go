// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Zones is what the placers "dynamic_fallback" and "spothedge_ae" know of the
// places where spot machines can be had: each is ACTIVE, or PREEMPTED since a
// machine was lost or refused there. As soon as too few are ACTIVE, all are again.
type Zones struct {
	// Rule is the placer that this is for; empty before the first evaluation.
	Rule string `json:"rule,omitempty"`
	// Candidates are the places there are, by the last evaluation.
	Candidates []serve.Location `json:"candidates,omitempty"`
	// Preempted are those that are PREEMPTED.
	Preempted []serve.Location `json:"preempted,omitempty"`
	// Tries are the launches that are refused, by the id of the replica.
	Tries map[int64]Try `json:"tries,omitempty"`
}

// Try is a launch that was refused.
type Try struct {
	// Location is where it is tried again; zero when another place is to be found.
	Location serve.Location `json:"location,omitzero"`
	// Count is how often it was refused there, At when it last was.
	Count int       `json:"count,omitempty"`
	At    time.Time `json:"at"`
}

// due is when the launch is to be tried again.
//
// SkyServe tries three times in one place, with pauses of 60 seconds and of 60
// times 1.6, and looks for another place with its next evaluation.
func (t Try) due() time.Time {
	pauses := []time.Duration{tick, 60 * time.Second, 96 * time.Second}
	return t.At.Add(pauses[t.Count])
}

// among gives the zones with the candidates brought up to date, which are those
// that offers name, and without tries that have ended. Where nothing is offered,
// nothing is learnt.
func (z Zones) among(rule string, offers []serve.Offer, replicas []serve.Replica) Zones {
	z.Rule = rule
	z.Tries = maps.Clone(z.Tries)
	maps.DeleteFunc(z.Tries, func(id int64, _ Try) bool {
		return !slices.ContainsFunc(replicas, func(r serve.Replica) bool {
			return r.ID == id && r.Launch != serve.LaunchSucceeded && !r.Status().IsTerminal()
		})
	})
	if len(z.Tries) == 0 {
		z.Tries = nil
	}
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
	z.Candidates, z.Preempted = places, preempted
	return z.reset()
}

// refused gives the zones after the launch of a replica was refused in one of
// them. By SkyServe's rule the third refusal makes it PREEMPTED, by SpotHedge's
// the first does.
func (z Zones) refused(now time.Time, replica int64, l serve.Location) Zones {
	try := z.Tries[replica]
	if try.Location != l {
		try = Try{Location: l}
	}
	try.Count++
	try.At = now.UTC().Round(0)
	if z.Rule == serve.SpotHedgePlacer || try.Count == 3 {
		try = Try{At: try.At}
		z = z.preempted(l)
	}
	z.Tries = maps.Clone(z.Tries)
	if z.Tries == nil {
		z.Tries = map[int64]Try{}
	}
	z.Tries[replica] = try
	return z
}

// launched gives the zones after a machine was had in one of them, which makes
// it ACTIVE by SkyServe's rule.
func (z Zones) launched(l serve.Location) Zones {
	if z.Rule == serve.SpotHedgePlacer {
		return z
	}
	return z.activated(l)
}

// served gives the zones after replicas have become ready since, which makes
// their zones ACTIVE by SpotHedge's rule.
func (z Zones) served(replicas []serve.Replica, since time.Time) Zones {
	if z.Rule != serve.SpotHedgePlacer {
		return z
	}
	for _, r := range replicas {
		if r.Market == serve.Spot && r.FirstReadyAt.After(since) && !r.Status().IsTerminal() {
			z = z.activated(r.Offer.Location)
		}
	}
	return z
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

// reset makes all zones ACTIVE when too few are: fewer than two, by SkyServe's
// rule. SpotHedge, as it was measured for its paper, waits until none is where
// there are three or fewer.
func (z Zones) reset() Zones {
	active := 0
	for _, l := range z.Candidates {
		active += countIf(z.active(l))
	}
	least := 2
	if z.Rule == serve.SpotHedgePlacer {
		least = 1 + countIf(len(z.Candidates) > 3)
	}
	if len(z.Candidates) > 0 && active < least {
		z.Preempted = nil
	}
	return z
}

func (z Zones) active(l serve.Location) bool { return !slices.Contains(z.Preempted, l) }

// dynamicFallback is the rule of SkyServe's placer of that name: the cheapest
// ACTIVE zone where no spot replica is or was, of those that are still shown;
// if there is none, the cheapest ACTIVE zone. It heeds no order of preference, as
// it is for entries that differ in their place only.
func (e *evaluation) dynamicFallback(candidates []*candidate) {
	e.byZone(candidates, func(p *place) int { return countIf(p.visited) })
}

// spotHedge is the rule of the SpotHedge paper: the ACTIVE zone where the fewest
// spot replicas are, of those the cheapest. It is here to be compared with.
func (e *evaluation) spotHedge(candidates []*candidate) {
	e.byZone(candidates, func(p *place) int { return p.live })
}

// byZone prefers ACTIVE zones, those where less is first.
func (e *evaluation) byZone(candidates []*candidate, load func(*place) int) {
	for _, c := range candidates {
		c.location, c.worth, c.against = load(c.pool.place), c.Price, block{}
		if !e.memory.Zones.active(c.Location) {
			c.against = block{why: fmt.Sprintf("the zone is PREEMPTED: the last spot machine in %s was lost or refused", c.Location)}
		}
	}
	slices.SortFunc(candidates, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.location, b.location), cmp.Compare(a.Price, b.Price), cmp.Compare(a.index, b.index))
	})
}

// pending reports whether a waiting replica is not to be tried again yet, and
// asks to be called when it is. Otherwise it gives the place to which it is bound.
func (e *evaluation) pending(r *serve.Replica) (bound serve.Location, wait time.Time) {
	try, ok := e.memory.Zones.Tries[r.ID]
	if !ok {
		return serve.Location{}, time.Time{}
	}
	if due := try.due(); due.After(e.now) {
		e.wake(due)
		return serve.Location{}, due
	}
	return try.Location, time.Time{}
}
