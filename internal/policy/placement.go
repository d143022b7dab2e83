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

// placer is a rule by which offers are chosen. It gives the offers in order of
// its preference, the best first, and says what is against each; the first with
// nothing against it is chosen.
type placer func(offers []serve.Offer) []candidate

// candidate is an offer under consideration.
type candidate struct {
	serve.Offer
	// against is why it cannot be taken now, without a time when only a change
	// of the others helps.
	against block
	// rank is the user's order of preference, as far as the rule heeds it.
	rank int
	// region and location count the replicas that are there already.
	region, location int
}

// place chooses an offer for one more replica of a market, and counts it as taken.
func (e *evaluation) place(market serve.Market) choice {
	offers := slices.DeleteFunc(slices.Clone(e.in.Offers), func(o serve.Offer) bool { return o.Market != market })
	candidates := e.placer(market)(offers)
	at := slices.IndexFunc(candidates, func(c candidate) bool { return c.against.why == "" })
	if at < 0 {
		at = leastAvoided(candidates)
	}
	if at < 0 {
		return e.nothing(market, candidates)
	}
	chosen := candidates[at]
	c := choice{offer: chosen.Offer}
	for i, other := range candidates {
		if i != at && len(c.rejected) < maxRejected {
			c.rejected = append(c.rejected, serve.Rejection{What: name(other.Offer), Why: other.versus(chosen)})
		}
	}
	e.spread.add(chosen.Offer)
	return c
}

// leastAvoided gives the index of the candidate that is merely avoided and will
// be forgiven first, -1 when all are blocked. A pool that takes machines away
// still sells them: where there is no better one it is worth asking, and it will
// refuse when it has none.
func leastAvoided(candidates []candidate) int {
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
func (e *evaluation) nothing(market serve.Market, candidates []candidate) choice {
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
			c.rejected = append(c.rejected, serve.Rejection{What: name(other.Offer), Why: other.against.why})
		}
	}
	e.wake(first)
	c.lack = fmt.Sprintf("all %d %s offers are blocked, the first until %s", len(candidates), word(market), clock(first))
	return c
}

// placer gives the rule for a market: the named one is for spot replicas only.
func (e *evaluation) placer(market serve.Market) placer {
	if market == serve.Spot && e.policy.SpotPlacer == serve.DynamicFallbackPlacer {
		return e.dynamicFallback
	}
	return e.cheapest
}

// cheapest is the rule of the house: what the user prefers, then what is not
// blocked, then the cheapest, then where the fewest replicas are: a place that
// fails takes as little as possible with it.
func (e *evaluation) cheapest(offers []serve.Offer) []candidate {
	candidates := make([]candidate, len(offers))
	for i, o := range offers {
		candidates[i] = candidate{
			Offer: o, against: e.grudges(o), rank: o.Rank,
			region: e.spread.regions[regionOf(o)], location: e.spread.locations[siteOf(o)],
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(a.rank, b.rank),
			cmp.Compare(a.Price, b.Price),
			cmp.Compare(a.location, b.location),
			cmp.Compare(a.region, b.region),
		)
	})
	return candidates
}

// versus says why another candidate was chosen.
func (c candidate) versus(chosen candidate) string {
	switch {
	case c.against.why != "":
		return c.against.why
	case c.rank > chosen.rank:
		return fmt.Sprintf("later in the order of preference, %d after %d", c.rank, chosen.rank)
	case c.Price > chosen.Price:
		return fmt.Sprintf("dearer than $%g", chosen.Price)
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

// site is a place in one market.
type site struct {
	location serve.Location
	market   serve.Market
}

func siteOf(o serve.Offer) site { return site{o.Location, o.Market} }

func regionOf(o serve.Offer) site {
	return site{serve.Location{Cloud: o.Location.Cloud, Region: o.Location.Region}, o.Market}
}

// spread is where replicas are, and where spot ones were.
type spread struct {
	// locations and regions count the nonterminal replicas.
	locations, regions map[site]int
	// visited are the locations of all records of spot replicas.
	visited map[serve.Location]bool
}

// spreadOf sees where the replicas of all revisions are.
func spreadOf(records []serve.Replica) spread {
	s := spread{map[site]int{}, map[site]int{}, map[serve.Location]bool{}}
	for _, r := range records {
		switch {
		case r.Offer.IsZero():
		case !r.Status().IsTerminal():
			s.add(r.Offer)
		case r.Market == serve.Spot:
			s.visited[r.Offer.Location] = true
		}
	}
	return s
}

// add counts one more replica.
func (s spread) add(o serve.Offer) {
	s.locations[siteOf(o)]++
	s.regions[regionOf(o)]++
	if o.Market == serve.Spot {
		s.visited[o.Location] = true
	}
}
