// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Preflighter = (*Cloud)(nil)

// Preflight looks whether what is asked for is sold where it may be, whether there
// is an image and a network for it, whether EC2 would let it be launched, and
// whether quotas have room for it.
func (c *Cloud) Preflight(ctx context.Context, p serve.Preflight) ([]serve.Finding, error) {
	return fleet.Preflight(ctx, p, c.account.Options(), seller{c}, fleet.Terms{
		Name: "AWS", Account: "account", NoRegion: "The account has not enabled the region",
	})
}

// seller is the account of a cloud, in a preflight.
type seller struct{ *Cloud }

// Regions gives those in which machines may be made.
func (c seller) Regions(ctx context.Context) ([]string, error) {
	j, err := c.account.Join(ctx)
	if err != nil {
		return nil, err
	}
	return j.regions(), nil
}

// Sale gives what a resource can be had as.
func (c seller) Sale(ctx context.Context, r serve.Resource) ([]serve.Offer, error) {
	return c.offers(ctx, r)
}

// Type gives the type of a name.
func (c seller) Type(ctx context.Context, region, name string) (fleet.Type, error) {
	s, err := c.account.In(ctx, region)
	if err != nil {
		return fleet.Type{}, err
	}
	return s.typeNamed(ctx, name)
}

// Inspect looks whether there is a program, an image and a network for what is
// offered, and whether EC2 would let it be launched.
func (c seller) Inspect(ctx context.Context, f *fleet.Flight, region string, r serve.Resource, offers []serve.Offer) (*serve.Finding, error) {
	s, err := c.account.In(ctx, region)
	if err != nil {
		return nil, err
	}
	machine, err := s.typeNamed(ctx, offers[0].InstanceType)
	if err != nil {
		return nil, err
	}
	if err := f.Program(machine.Architecture); err != nil {
		return &serve.Finding{Field: fleet.NamedType(r), Message: sentence(err)}, nil
	}
	image, err := s.image(ctx, r, machine)
	if err == nil {
		_, err = image.disk(r)
	}
	if err != nil {
		return fleet.RefusalOfImage(err, sentence(err), r)
	}
	vpc, err := s.vpc(ctx, s.conf.VPC)
	if err != nil {
		return fleet.Refusal(err, sentence(err))
	}
	subnets, err := s.subnets(ctx, vpc)
	if err != nil {
		return fleet.Refusal(err, sentence(err))
	}
	reached := slices.DeleteFunc(slices.Clone(offers), func(o serve.Offer) bool { return subnets[o.Location.Zone] == "" })
	if len(reached) == 0 {
		return &serve.Finding{Message: fmt.Sprintf("The network %s has no subnet in any zone of %s that has such machines, which are %s.",
			vpc, s.region, strings.Join(fleet.Zones(offers), ", "))}, nil
	}
	if err := s.rehearse(ctx, f, ground{vpc: vpc, subnets: subnets}, image, reached); err != nil {
		return fleet.Refusal(err, sentence(err))
	}
	for _, market := range f.Markets() {
		r, known := s.room(ctx, reached, market)
		f.Measure(region, market, r, known)
	}
	return nil, nil
}
