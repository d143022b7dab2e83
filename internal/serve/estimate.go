// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

// HourlyCost is what a service costs while nothing goes wrong, in US dollars per
// hour.
type HourlyCost struct {
	Spot     float64 `json:"spot"`
	OnDemand float64 `json:"on_demand"`
	Total    float64 `json:"total"`
}

// Mix gives how many replicas of each market there are to be when all of them are
// ready, for a number that the load asks for.
func (s Spec) Mix(target int) (spot, onDemand int) {
	p := s.ReplicaPolicy
	if target == 0 {
		return 0, 0
	}
	all := target + p.NumOverprovision
	switch {
	case p.UsesFallback():
		onDemand = min(p.BaseOndemandFallbackReplicas, target)
		return all - onDemand, onDemand
	case s.Resources.Entries()[0].Spot():
		return all, 0
	}
	return 0, all
}

// Most gives how many replicas of each market there may be at a time, updates left
// aside.
func (s Spec) Most() (spot, onDemand int) {
	most := s.ReplicaPolicy.Most()
	spot, onDemand = s.Mix(most)
	if s.ReplicaPolicy.DynamicOndemandFallback {
		onDemand = most
	}
	return spot, onDemand
}

// Estimate gives what the fewest replicas that the spec asks for cost: each at the
// lowest price that there is in its market, in the place that the user prefers. It
// is false where such a price is not known.
func (s Spec) Estimate(offers []Offer) (HourlyCost, bool) {
	spot, onDemand := s.Mix(s.ReplicaPolicy.MinReplicas)
	var c HourlyCost
	for _, part := range []struct {
		market Market
		n      int
		cost   *float64
	}{{Spot, spot, &c.Spot}, {OnDemand, onDemand, &c.OnDemand}} {
		if part.n == 0 {
			continue
		}
		price := lowest(offers, part.market)
		if price == 0 {
			return HourlyCost{}, false
		}
		*part.cost = float64(part.n) * price
	}
	c.Total = c.Spot + c.OnDemand
	return c, true
}

// lowest gives the lowest price of a market among the offers of the best rank that
// it has; 0 where there is none, or it is not known.
func lowest(offers []Offer, market Market) float64 {
	best := Offer{}
	for _, o := range offers {
		if o.Market == market && (best.IsZero() || o.Rank < best.Rank || o.Rank == best.Rank && o.Price < best.Price) {
			best = o
		}
	}
	return best.Price
}
