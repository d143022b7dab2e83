// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// spread is where replicas are: by pool, by place and by region, within one
// market each. It is asked many times for each replica and each offer, so that
// what belongs together is found once and then known by its address.
type spread struct {
	// pools are the pools by zone, or by region or cloud where there is no zone: a
	// few under each name.
	pools map[string][]*pooled
	// regions are the regions by name.
	regions map[string][]*region
}

// pooled is a pool, with what an evaluation knows of it.
type pooled struct {
	location     serve.Location
	instanceType string
	market       serve.Market
	key          string
	place        *place
	// held says that machines are held there, asked that it is being asked for one.
	held, asked bool
}

// place is a location in one market.
type place struct {
	region *region
	// live counts the nonterminal replicas.
	live int
	// visited says that a replica is or was there, of those that are still shown,
	// or that one is being launched there again and again.
	visited bool
}

// region is a region in one market.
type region struct {
	location serve.Location
	market   serve.Market
	live     int
}

// spreadOf sees where the replicas of all revisions are.
func spreadOf(records []serve.Replica) spread {
	s := spread{map[string][]*pooled{}, map[string][]*region{}}
	for i := range records {
		r := &records[i]
		switch {
		case r.Offer.IsZero():
		case !r.Status().IsTerminal():
			p := s.pool(r.Offer)
			p.add()
			p.held = p.held || r.Launch == serve.LaunchSucceeded
			p.asked = p.asked || r.Launch != serve.LaunchSucceeded
		default:
			s.pool(r.Offer).place.visited = true
		}
	}
	return s
}

// add counts one more replica.
func (p *pooled) add() {
	p.place.live++
	p.place.region.live++
	p.place.visited = true
}

// pool gives the pool of an offer.
func (s spread) pool(o serve.Offer) *pooled {
	name := nameOf(o.Location)
	var there *place
	for _, p := range s.pools[name] {
		if p.location != o.Location || p.market != o.Market {
			continue
		}
		if p.instanceType == o.InstanceType {
			return p
		}
		there = p.place
	}
	if there == nil {
		there = &place{region: s.region(o)}
	}
	p := &pooled{location: o.Location, instanceType: o.InstanceType, market: o.Market, key: o.Key(), place: there}
	s.pools[name] = append(s.pools[name], p)
	return p
}

// region gives the region of an offer.
func (s spread) region(o serve.Offer) *region {
	l := serve.Location{Cloud: o.Location.Cloud, Region: o.Location.Region}
	all := s.regions[l.Region]
	if at := slices.IndexFunc(all, func(r *region) bool { return r.location == l && r.market == o.Market }); at >= 0 {
		return all[at]
	}
	r := &region{location: l, market: o.Market}
	s.regions[l.Region] = append(all, r)
	return r
}

// visit marks the places where launches are tried again as visited.
func (s spread) visit(tries map[int64]Try) {
	for _, try := range tries {
		s.pool(serve.Offer{Location: try.Location, Market: serve.Spot}).place.visited = true
	}
}

// nameOf is the narrowest name that a location has.
func nameOf(l serve.Location) string {
	switch {
	case l.Zone != "":
		return l.Zone
	case l.Region != "":
		return l.Region
	default:
		return l.Cloud
	}
}
