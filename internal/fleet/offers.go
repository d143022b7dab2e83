// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"cmp"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// contenders is how many types of a region are asked the price of: the smallest
	// that will do. Prices go with the size, but not strictly.
	contenders = 16
	// variety is how many types of a region are offered: each is a pool of its own,
	// and what runs out of one is there in another.
	variety = 6
)

// Prices are what types of machines cost in a region, in US dollars per hour.
type Prices struct {
	// Spot is by type and zone, and has no entry where there is no such price.
	Spot map[string]map[string]float64
	// Regular is by type, and 0 where there is no such price.
	Regular map[string]float64
}

// of is the price of a type in a market and a zone; ok is false when there is none.
func (p Prices) of(name string, m serve.Market, zone string) (price float64, ok bool) {
	if m == serve.Spot {
		price, ok = p.Spot[name][zone]
		return price, ok
	}
	price = p.Regular[name]
	return price, price > 0
}

// Regions gives those of a cloud's regions that may have what is wanted.
func (w Wanted) Regions(cloud string, all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(region string) bool {
		return !w.Location().Contains(serve.Location{Cloud: cloud, Region: region, Zone: w.Location().Zone})
	})
}

// Contenders gives the types that it is worth asking the price of, of all that a
// region has, which are the smallest first.
func (w Wanted) Contenders(all []Type) []Type {
	var fit []Type
	for _, t := range all {
		if w.Fits(t) && len(fit) < contenders {
			fit = append(fit, t)
		}
	}
	return fit
}

// Names gives those of some types.
func Names(types []Type) []string {
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	return names
}

// Offers gives what the zones of a region have of some types, in each of their
// markets. Of many types the cheapest are offered.
func (w Wanted) Offers(region serve.Location, fit []Type, zones map[string][]string, p Prices) []serve.Offer {
	var offers []serve.Offer
	for _, t := range cheapest(fit, p) {
		for _, zone := range zones[t.Name] {
			at := serve.Location{Cloud: region.Cloud, Region: region.Region, Zone: zone}
			if w.Location().Contains(at) {
				offers = append(offers, w.offers(at, t, p)...)
			}
		}
	}
	return offers
}

func (w Wanted) offers(at serve.Location, t Type, p Prices) []serve.Offer {
	var offers []serve.Offer
	for _, market := range t.Markets {
		price, ok := p.of(t.Name, market, at.Zone)
		if !ok || w.MaxHourlyCost > 0 && price > w.MaxHourlyCost {
			continue
		}
		offers = append(offers, serve.Offer{
			Location: at, Market: market, InstanceType: t.Name, Price: price, CPUs: t.CPUs, Memory: t.Memory, Accelerators: t.Accelerators,
		})
	}
	return offers
}

// cheapest keeps the types that are cheapest in either market.
func cheapest(fit []Type, p Prices) []Type {
	if len(fit) <= variety {
		return fit
	}
	lowest := func(t Type) float64 {
		low := 0.0
		for _, price := range p.Spot[t.Name] {
			if low == 0 || price < low {
				low = price
			}
		}
		return cmp.Or(low, p.Regular[t.Name])
	}
	// The cheapest regular one is kept whatever the spot market says: it is what
	// stands in for all of it.
	bySpot, byRegular := slices.Clone(fit), slices.Clone(fit)
	slices.SortStableFunc(bySpot, func(a, b Type) int { return cmp.Compare(lowest(a), lowest(b)) })
	byRegular = slices.DeleteFunc(byRegular, func(t Type) bool { return p.Regular[t.Name] == 0 })
	slices.SortStableFunc(byRegular, func(a, b Type) int { return cmp.Compare(p.Regular[a.Name], p.Regular[b.Name]) })
	kept := bySpot[:variety-1]
	for _, t := range append(byRegular, bySpot[variety-1:]...) {
		if !slices.ContainsFunc(kept, func(k Type) bool { return k.Name == t.Name }) {
			return append(kept, t)
		}
	}
	return kept
}

// SortOffers puts the cheapest first, and of equal prices the spot machine.
func SortOffers(all []serve.Offer) {
	slices.SortFunc(all, func(a, b serve.Offer) int {
		return cmp.Or(cmp.Compare(a.Price, b.Price), cmp.Compare(b.Market, a.Market), strings.Compare(a.Key(), b.Key()))
	})
}
