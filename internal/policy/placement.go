// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// choice is where a replica is to come from.
type choice struct {
	// offer is zero when there is none to be had; lack says why then.
	offer    serve.Offer
	lack     string
	rejected []serve.Rejection
}

// maxRejected is how many alternatives a decision names.
const maxRejected = 8

// placer is a rule by which offers are chosen. It says what it thinks of each and
// brings them into the order of its preference, the best first; the first with
// nothing against it is chosen.
type placer func([]*candidate)

// candidate is an offer under consideration.
type candidate struct {
	*serve.Offer
	pool *pooled
	// index is its place in the list of offers.
	index int
	// against is why it cannot be taken now, without a time when only a change
	// of the others helps.
	against block
	// rank is the user's order of preference, as far as the rule heeds it.
	rank int
	// worth is the price with what is likely to come on top of it.
	worth float64
	// hazard is how often an hour its pool is expected to lose machines.
	hazard float64
	// crowded says that enough replicas are there already.
	crowded bool
	// region and location count the replicas that are there already.
	region, location int
}

// free reports whether nothing is against the offer.
func (c *candidate) free() bool { return c.against.why == "" }

// place chooses an offer for one more replica of a market, and counts it as taken.
func (e *evaluation) place(market serve.Market) choice {
	if none, ok := e.none[market]; ok {
		return none // what is blocked for one is for the next
	}
	candidates := e.candidates(market)
	at := slices.IndexFunc(candidates, (*candidate).free)
	if at < 0 {
		at = leastAvoided(candidates)
	}
	if at < 0 {
		e.none[market] = e.nothing(market, candidates)
		return e.none[market]
	}
	return e.choose(candidates, at)
}

// placeAgain chooses an offer for a replica that waits for one, and says when it
// waits on.
func (e *evaluation) placeAgain(r *serve.Replica) choice {
	bound, wait := e.pending(r)
	if !wait.IsZero() {
		return choice{lack: fmt.Sprintf("its launch was refused, and is tried again at %s", clock(wait))}
	}
	if bound != (serve.Location{}) {
		candidates := e.candidates(r.Market)
		at := slices.IndexFunc(candidates, func(c *candidate) bool { return c.Location == bound })
		if at >= 0 {
			return e.choose(candidates, at)
		}
	}
	return e.place(r.Market)
}

// placeSpare chooses an offer for a replica beyond what is wanted, in another
// pool than the one it is a spare for. It is not worth going where nobody else
// would, so that the choice can be empty.
func (e *evaluation) placeSpare(pool string) choice {
	candidates := e.candidates(serve.Spot)
	at := slices.IndexFunc(candidates, func(c *candidate) bool { return c.free() && !c.crowded && c.pool.key != pool })
	if at < 0 {
		e.nothing(serve.Spot, candidates) // asks to be called when that may change
		return choice{}
	}
	return e.choose(candidates, at)
}

// candidates gives the offers of a market by the rule that is in force for it,
// the best first.
func (e *evaluation) candidates(market serve.Market) []*candidate {
	if e.sold == nil {
		e.sold = map[serve.Market][]*candidate{}
		all := make([]candidate, len(e.in.Offers))
		for i := range e.in.Offers {
			o := &e.in.Offers[i]
			all[i] = candidate{Offer: o, pool: e.spread.pool(*o), index: i}
			e.sold[o.Market] = append(e.sold[o.Market], &all[i])
		}
	}
	candidates := e.sold[market]
	e.placer(market)(candidates)
	return candidates
}

// choose takes one of the candidates, and says why not the others.
func (e *evaluation) choose(candidates []*candidate, at int) choice {
	chosen := candidates[at]
	c := choice{offer: *chosen.Offer}
	for i, other := range candidates {
		if i != at && len(c.rejected) < maxRejected {
			c.rejected = append(c.rejected, serve.Rejection{What: name(*other.Offer), Why: other.versus(chosen)})
		}
	}
	chosen.pool.add()
	chosen.pool.asked = true
	return c
}

// leastAvoided gives the index of the candidate that is merely avoided and will
// be forgiven first, -1 when all are blocked. A pool that takes machines away
// still sells them: where there is no better one it is worth asking, and it will
// refuse when it has none.
func leastAvoided(candidates []*candidate) int {
	at := -1
	for i, c := range candidates {
		if c.against.soft && (at < 0 || c.against.until.Before(candidates[at].against.until)) {
			at = i
		}
	}
	return at
}

// nothing is the choice where no offer can be taken. Somebody waits then, so it
// is time to look again when the first block ends.
func (e *evaluation) nothing(market serve.Market, candidates []*candidate) choice {
	if len(candidates) == 0 {
		return choice{lack: fmt.Sprintf("no cloud offers %s machine that fits", article(market))}
	}
	var first time.Time
	var c choice
	for _, other := range candidates {
		if until := other.against.until; first.IsZero() || !until.IsZero() && until.Before(first) {
			first = until
		}
		if len(c.rejected) < maxRejected {
			c.rejected = append(c.rejected, serve.Rejection{What: name(*other.Offer), Why: other.against.why})
		}
	}
	if first.IsZero() {
		c.lack = "another replica asks first where machines were refused lately"
		return c
	}
	e.wake(first)
	c.lack = fmt.Sprintf("all %d %s offers are blocked, the first until %s", len(candidates), word(market), clock(first))
	return c
}

// rule is the name of the placer that is in force for spot replicas.
func (e *evaluation) rule() string { return cmp.Or(e.policy.SpotPlacer, serve.SteadyPlacer) }

// placer gives the rule for a market: the named ones are for spot replicas only.
func (e *evaluation) placer(market serve.Market) placer {
	switch {
	case market == serve.OnDemand:
		return e.cheapest
	case e.rule() == serve.DynamicFallbackPlacer:
		return e.dynamicFallback
	case e.rule() == serve.SpotHedgePlacer:
		return e.spotHedge
	default:
		return e.steady
	}
}

// crowding is how much dearer another place may be so that not more than half of
// the spot replicas are in one, and lost with it.
const crowding = 1.25

// steady is the rule of the house for spot replicas: what is not blocked, then
// what the user prefers, then the cheapest in the long run.
//
// A loss costs a cold start, at the price of the machine that takes over and of
// the on-demand one that stands in meanwhile. So with spot at $1, on-demand at $3
// and a cold start of 10 minutes, a pool that loses machines every two hours is
// worth 1 + 0.5 (1/6) (1 + 3) = $1.33 an hour, as much as a pool at that price
// that never loses any.
func (e *evaluation) steady(candidates []*candidate) {
	onDemand := e.leastPrice(serve.OnDemand)
	most := (e.spotWanted() + 1) / 2
	for _, c := range candidates {
		c.look()
		c.against = e.grudges(c.pool)
		c.hazard = e.memory.Pools[c.pool.key].Record.hazard(e.now)
		coldStart := e.memory.Risk.ColdStart / time.Hour.Seconds()
		c.worth += c.hazard * coldStart * (c.Price + max(onDemand, c.Price))
		if c.crowded = c.location >= most; c.crowded {
			c.worth *= crowding
		}
	}
	slices.SortFunc(candidates, preference)
}

// cheapest is the rule of the house for on-demand replicas, which nobody takes:
// what the user prefers, then what is not blocked, then the cheapest, then where
// the fewest replicas are.
func (e *evaluation) cheapest(candidates []*candidate) {
	for _, c := range candidates {
		c.look()
		c.against = e.refusals(c.pool)
	}
	slices.SortFunc(candidates, preference)
}

// look takes in what every rule of the house looks at.
func (c *candidate) look() {
	c.rank, c.worth = c.Rank, c.Price
	c.location, c.region = c.pool.place.live, c.pool.place.region.live
}

// preference compares candidates by the rules of the house.
func preference(a, b *candidate) int {
	return cmp.Or(
		cmp.Compare(a.rank, b.rank),
		cmp.Compare(a.worth, b.worth),
		cmp.Compare(a.location, b.location),
		cmp.Compare(a.region, b.region),
		cmp.Compare(a.index, b.index),
	)
}

// leastPrice is the lowest price in a market, 0 where nothing is offered.
func (e *evaluation) leastPrice(market serve.Market) float64 {
	least := 0.0
	for _, o := range e.in.Offers {
		if o.Market == market && (least == 0 || o.Price < least) {
			least = o.Price
		}
	}
	return least
}

// spotWanted is how many spot replicas there should be, without spares.
func (e *evaluation) spotWanted() int {
	return max(0, e.final-e.policy.BaseOndemandFallbackReplicas)
}

// versus says why another candidate was chosen.
func (c *candidate) versus(chosen *candidate) string {
	switch {
	case !c.free():
		return c.against.why
	case c.rank > chosen.rank:
		return fmt.Sprintf("later in the order of preference, %d after %d", c.rank, chosen.rank)
	case c.Price > chosen.Price && c.worth > chosen.worth:
		return fmt.Sprintf("dearer than $%g", chosen.Price)
	case c.worth > chosen.worth && c.hazard > chosen.hazard:
		return fmt.Sprintf("loses machines %.2g times an hour, and the chosen one %.2g", c.hazard, chosen.hazard)
	case c.location > chosen.location:
		return fmt.Sprintf("has %s already, and the chosen one %d", replicas(c.location), chosen.location)
	case c.region > chosen.region:
		return fmt.Sprintf("has %s in its region already, and the chosen one %d", replicas(c.region), chosen.region)
	default:
		return "no better, and later in the list of offers"
	}
}

// name is an offer in a sentence.
func name(o serve.Offer) string {
	return fmt.Sprintf("%s %s in %s at $%g", word(o.Market), o.InstanceType, o.Location, o.Price)
}
