// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
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
	w, err := fleet.WantedBy(r)
	if err != nil {
		return nil, err
	}
	j, err := c.account.Join(ctx)
	if err != nil {
		return nil, err
	}
	all, err := fleet.Gather(ctx, c.account, w.Regions(cloudName, j.regions()), func(s *site) ([]serve.Offer, error) { return s.offers(ctx, w) })
	fleet.SortOffers(all)
	return all, err
}

// offers gives what a region has of what is wanted.
func (s *site) offers(ctx context.Context, w fleet.Wanted) ([]serve.Offer, error) {
	all, err := s.typesOf(ctx)
	if err != nil {
		return nil, err
	}
	fit := w.Contenders(all)
	if len(fit) == 0 {
		return nil, nil
	}
	zones, err := s.zonesOf(ctx, fleet.Names(fit))
	if err != nil {
		return nil, err
	}
	p, err := s.pricesOf(ctx, fit, zones)
	if err != nil {
		return nil, err
	}
	return w.Offers(serve.Location{Cloud: cloudName, Region: s.region}, fit, zones, p), nil
}

// pricesOf gives what some types cost.
func (s *site) pricesOf(ctx context.Context, fit []fleet.Type, zones map[string][]string) (p fleet.Prices, err error) {
	var priced []string
	for _, t := range fit {
		if len(zones[t.Name]) > 0 && slices.Contains(t.Markets, serve.OnDemand) {
			priced = append(priced, t.Name)
		}
	}
	if p.Spot, err = s.spotPricesOf(ctx, fleet.Names(fit)); err != nil {
		return p, err
	}
	p.Regular, err = s.regularPricesOf(ctx, priced)
	return p, err
}
