// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Offers lists the machine types that fit r, in every zone that r allows and in
// both markets: the cheapest first, and what costs the same in the order of
// market.json. Machines with accelerators are offered to those only who ask for
// accelerators, or for the machine by its name.
func (c *Cloud) Offers(ctx context.Context, r serve.Resource) ([]serve.Offer, error) {
	_, cfg, err := c.settled(ctx)
	if err != nil {
		return nil, err
	}
	fits, err := fitting(r)
	if err != nil {
		return nil, fmt.Errorf("listing offers: %w: %w", serve.ErrInvalid, err)
	}
	var offers []serve.Offer
	for _, z := range cfg.Zones {
		if !r.Location().Contains(z.location()) {
			continue
		}
		for _, t := range cfg.Machines {
			if !fits(t) {
				continue
			}
			for _, m := range []serve.Market{serve.Spot, serve.OnDemand} {
				offer := offerOf(z, t, m)
				if r.MaxHourlyCost == 0 || offer.Price <= r.MaxHourlyCost {
					offers = append(offers, offer)
				}
			}
		}
	}
	slices.SortStableFunc(offers, func(a, b serve.Offer) int { return cmp.Compare(a.Price, b.Price) })
	return offers, nil
}

func offerOf(z zone, t machineType, m serve.Market) serve.Offer {
	return serve.Offer{
		Location:     z.location(),
		Market:       m,
		InstanceType: t.Name,
		Price:        z.price(t).in(m),
		CPUs:         t.CPUs,
		Memory:       t.Memory,
		Accelerators: t.Accelerators,
	}
}

// fitting gives the test whether a machine type is what r describes.
func fitting(r serve.Resource) (func(machineType) bool, error) {
	cpus, err := serve.ParseAmount(r.CPUs)
	if err != nil {
		return nil, fmt.Errorf("cpus: %w", err)
	}
	memory, err := serve.ParseMemory(r.Memory)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	accelerator, count, err := serve.ParseAccelerators(r.Accelerators)
	if err != nil {
		return nil, fmt.Errorf("accelerators: %w", err)
	}
	return func(t machineType) bool {
		if r.InstanceType != "" && r.InstanceType != t.Name {
			return false
		}
		if !cpus.Fits(t.CPUs) || !memory.Fits(t.Memory) {
			return false
		}
		// The market was read with valid accelerators only.
		name, n, _ := serve.ParseAccelerators(t.Accelerators)
		if accelerator == "" {
			return name == "" || r.InstanceType != ""
		}
		return strings.EqualFold(name, accelerator) && n == count
	}, nil
}
