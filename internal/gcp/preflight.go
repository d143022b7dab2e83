// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"fmt"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Preflighter = (*Cloud)(nil)

// Preflight looks whether what is asked for is sold where it may be, whether there is
// an image and a network for it, whether the credentials allow what a launch takes, and
// whether quotas have room for it.
func (c *Cloud) Preflight(ctx context.Context, p serve.Preflight) ([]serve.Finding, error) {
	return fleet.Preflight(ctx, p, c.account.Options(), seller{c}, fleet.Terms{
		Name: "Google Cloud", Account: "project", NoRegion: "Google Cloud has no region",
	})
}

// seller is Compute Engine as it is asked before anything is launched.
type seller struct{ cloud *Cloud }

// Regions implements [fleet.Seller].
func (s seller) Regions(ctx context.Context) ([]string, error) {
	j, err := s.cloud.account.Join(ctx)
	if err != nil {
		return nil, err
	}
	return j.usable(), nil
}

// Sale implements [fleet.Seller].
func (s seller) Sale(ctx context.Context, r serve.Resource) ([]serve.Offer, error) {
	return s.cloud.offers(ctx, r)
}

// Type implements [fleet.Seller].
func (s seller) Type(ctx context.Context, region, name string) (fleet.Type, error) {
	if t, ok := customNamed(name); ok {
		return t, nil
	}
	at, err := s.cloud.account.In(ctx, region)
	if err != nil {
		return fleet.Type{}, err
	}
	types, _, err := at.typesFor(ctx, fleet.Wanted{})
	if err != nil {
		return fleet.Type{}, err
	}
	return fleet.TypeNamed(types, name, region)
}

// Inspect implements [fleet.Seller].
func (s seller) Inspect(ctx context.Context, f *fleet.Flight, region string, r serve.Resource, offers []serve.Offer) (*serve.Finding, error) {
	at, err := s.cloud.account.In(ctx, region)
	if err != nil {
		return nil, err
	}
	machine, err := at.typeFor(ctx, offers[0])
	if err != nil {
		return nil, err
	}
	if err := f.Program(machine.Architecture); err != nil {
		return &serve.Finding{Field: fleet.NamedType(r), Message: sentence(err)}, nil
	}
	image, err := at.image(ctx, r, machine)
	if err == nil {
		_, err = image.disk(r, machine, offers[0].Location.Zone, nil)
	}
	if err != nil {
		return fleet.RefusalOfImage(err, sentence(err), r)
	}
	g, err := at.ground(ctx)
	if err != nil {
		return fleet.Refusal(err, sentence(err))
	}
	if g.subnets[region] == "" {
		return &serve.Finding{Message: fmt.Sprintf("The network %s has no subnetwork in %s; make one there, or leave the region out.", g.network, region)}, nil
	}
	if err := at.rehearse(ctx, g); err != nil {
		return fleet.Refusal(err, sentence(err))
	}
	there := at.allowances(ctx)
	for _, market := range f.Markets() {
		if of := slices.DeleteFunc(slices.Clone(offers), func(o serve.Offer) bool { return o.Market != market }); len(of) > 0 {
			room, known := at.room(ctx, of, there)
			f.Measure(region, market, room, known)
		}
	}
	return nil, nil
}
