// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

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

// Offers gives what a resource can be had as, in all zones it allows.
func (c *Cloud) Offers(ctx context.Context, r serve.Resource) ([]serve.Offer, error) {
	offers, err := c.offers(ctx, r)
	if err != nil {
		return offers, fmt.Errorf("asking AWS for offers: %w", err)
	}
	return offers, nil
}

func (c *Cloud) offers(ctx context.Context, r serve.Resource) ([]serve.Offer, error) {
	w, err := wantedBy(r)
	if err != nil {
		return nil, err
	}
	j, err := c.account.join(ctx)
	if err != nil {
		return nil, err
	}
	regions := slices.DeleteFunc(j.regions(), func(region string) bool {
		return !r.Location().Contains(serve.Location{Cloud: cloudName, Region: region, Zone: r.Location().Zone})
	})
	var mu sync.Mutex
	var all []serve.Offer
	// What some regions offer is better than nothing.
	err = c.account.each(ctx, regions, func(s *site) error {
		some, err := s.offers(ctx, w)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, some...)
		return err
	})
	slices.SortFunc(all, func(a, b serve.Offer) int {
		return cmp.Or(cmp.Compare(a.Price, b.Price), cmp.Compare(b.Market, a.Market), strings.Compare(a.Key(), b.Key()))
	})
	return all, err
}

// offers gives what a region has of what is wanted.
func (s *site) offers(ctx context.Context, w wanted) ([]serve.Offer, error) {
	all, err := s.typesOf(ctx)
	if err != nil {
		return nil, err
	}
	var fit []machineType
	var names []string
	for _, m := range all {
		if w.fits(m) && len(fit) < contenders {
			fit, names = append(fit, m), append(names, m.name)
		}
	}
	if len(fit) == 0 {
		return nil, nil
	}
	zones, err := s.zonesOf(ctx, names)
	if err != nil {
		return nil, err
	}
	p, err := s.pricesOf(ctx, fit, zones)
	if err != nil {
		return nil, err
	}
	var offers []serve.Offer
	for _, m := range cheapest(fit, p) {
		for _, zone := range zones[m.name] {
			offers = append(offers, w.offers(serve.Location{Cloud: cloudName, Region: s.region, Zone: zone}, m, p)...)
		}
	}
	return offers, nil
}

// prices are what types cost in a region.
type prices struct {
	spot    map[string]map[string]float64 // of a type, in a zone
	regular map[string]float64            // of a type
}

func (s *site) pricesOf(ctx context.Context, fit []machineType, zones map[string][]string) (prices, error) {
	var all, priced []string
	for _, m := range fit {
		all = append(all, m.name)
		if len(zones[m.name]) > 0 && slices.Contains(m.markets, serve.OnDemand) {
			priced = append(priced, m.name)
		}
	}
	spot, err := s.spotPricesOf(ctx, all)
	if err != nil {
		return prices{}, err
	}
	regular, err := s.regularPricesOf(ctx, priced)
	return prices{spot, regular}, err
}

// offers gives what a zone has of a type, in each of its markets.
func (w wanted) offers(at serve.Location, m machineType, p prices) []serve.Offer {
	if !w.r.Location().Contains(at) {
		return nil
	}
	var offers []serve.Offer
	for _, market := range m.markets {
		price, ok := p.of(m.name, market, at.Zone)
		if !ok || w.r.MaxHourlyCost > 0 && price > w.r.MaxHourlyCost {
			continue
		}
		offers = append(offers, serve.Offer{
			Location: at, Market: market, InstanceType: m.name, Price: price, CPUs: m.cpus, Memory: m.memory, Accelerators: m.accelerators,
		})
	}
	return offers
}

// cheapest keeps the types that are cheapest in either market.
func cheapest(fit []machineType, p prices) []machineType {
	if len(fit) <= variety {
		return fit
	}
	lowest := func(m machineType) float64 {
		low := 0.0
		for _, price := range p.spot[m.name] {
			if low == 0 || price < low {
				low = price
			}
		}
		return cmp.Or(low, p.regular[m.name])
	}
	// The cheapest regular one is kept whatever the spot market says: it is what
	// stands in for all of it.
	bySpot, byRegular := slices.Clone(fit), slices.Clone(fit)
	slices.SortStableFunc(bySpot, func(a, b machineType) int { return cmp.Compare(lowest(a), lowest(b)) })
	byRegular = slices.DeleteFunc(byRegular, func(m machineType) bool { return p.regular[m.name] == 0 })
	slices.SortStableFunc(byRegular, func(a, b machineType) int { return cmp.Compare(p.regular[a.name], p.regular[b.name]) })
	kept := bySpot[:variety-1]
	for _, m := range append(byRegular, bySpot[variety-1:]...) {
		if !slices.ContainsFunc(kept, func(k machineType) bool { return k.name == m.name }) {
			return append(kept, m)
		}
	}
	return kept
}
