// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Offers gives what a resource can be had as, in all zones it allows.
func (c *Cloud) Offers(ctx context.Context, r serve.Resource) ([]serve.Offer, error) {
	offers, err := c.offers(ctx, r)
	if err != nil {
		return offers, fmt.Errorf("asking Google Cloud for offers: %w", err)
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
	list, err := j.prices(ctx)
	if err != nil {
		return nil, err
	}
	all, err := fleet.Gather(ctx, c.account, w.Regions(cloudName, j.usable()), func(s *site) ([]serve.Offer, error) {
		types, zones, err := s.typesFor(ctx, w)
		fit := w.Contenders(types)
		return w.Offers(serve.Location{Cloud: cloudName, Region: s.region}, fit, zones, list.of(s.region, fit, zones)), err
	})
	fleet.SortOffers(all)
	return all, err
}

// typesFor gives the types of a region that may be what is wanted, with the zones that
// have them: those that are ready-made, those made to measure, and with accelerators
// those that they can be attached to. With an error it gives those of the zones that
// have answered.
func (s *site) typesFor(ctx context.Context, w fleet.Wanted) ([]fleet.Type, map[string][]string, error) {
	by, err := s.typesIn(ctx, s.zones)
	all, zones := map[string]fleet.Type{}, map[string][]string{}
	for _, zone := range s.zones {
		for _, t := range by[zone].typesFor(w) {
			all[t.Name] = t
			zones[t.Name] = append(zones[t.Name], zone)
		}
	}
	types := slices.Collect(maps.Values(all))
	fleet.SortTypes(types)
	return types, zones, err
}

func (z zoneTypes) typesFor(w fleet.Wanted) []fleet.Type {
	if w.Accelerator != "" {
		with := z.attached(w)
		for _, t := range z.types {
			if t.Accelerators != "" {
				with = append(with, t)
			}
		}
		return with
	}
	if t, ok := customNamed(w.InstanceType); ok && z.has(seriesOf(t.Name)) {
		return []fleet.Type{t}
	}
	return append(z.custom(w), z.types...)
}
