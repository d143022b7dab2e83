// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// nothing says why nothing is offered.
func (f *Flight) nothing(ctx context.Context, entry int) error {
	r := f.Entries[entry]
	regions, err := f.seller.Regions(ctx)
	if err != nil {
		return err
	}
	if named := r.Location().Region; named != "" && !slices.Contains(regions, named) {
		f.find(entry, placeField(r, "region"), true, "%s %q, or the provider's configuration leaves it out; there are %s.", f.terms.NoRegion, named, strings.Join(regions, ", "))
		return nil
	}
	if r.MaxHourlyCost > 0 {
		free := r
		free.MaxHourlyCost = 0
		if dearer, err := f.seller.Sale(ctx, free); err == nil && len(dearer) > 0 {
			f.find(entry, "max_hourly_cost", false, "No such machine costs $%g an hour or less at present; the cheapest is at $%g.", r.MaxHourlyCost, dearer[0].Price)
			return nil
		}
	}
	if r.Location().Zone != "" {
		elsewhere := r
		elsewhere.Infra, elsewhere.Cloud, elsewhere.Region, elsewhere.Zone = "", r.Location().Cloud, r.Location().Region, ""
		others, err := f.seller.Sale(ctx, elsewhere)
		if err != nil {
			return err
		}
		if zones := Zones(others); len(zones) > 0 {
			f.find(entry, placeField(r, "zone"), true, "There are no such machines in the zone %q; there are in %s.", r.Location().Zone, strings.Join(zones, ", "))
			return nil
		}
	}
	if r.InstanceType != "" {
		return f.misnamed(ctx, entry, regions)
	}
	field := ""
	for _, candidate := range []struct{ field, value string }{{"accelerators", r.Accelerators}, {"cpus", r.CPUs}, {"memory", r.Memory}} {
		if field == "" && candidate.value != "" {
			field = candidate.field
		}
	}
	f.find(entry, field, true, "%s has no type of machine in %s that is what is asked for.", f.terms.Name, r.Location())
	return nil
}

// misnamed says why a type that is named is not offered.
func (f *Flight) misnamed(ctx context.Context, entry int, regions []string) error {
	r := f.Entries[entry]
	for _, region := range regions {
		if named := r.Location().Region; named != "" && named != region {
			continue
		}
		t, err := f.seller.Type(ctx, region, r.InstanceType)
		if err != nil && !errors.Is(err, serve.ErrInvalid) {
			return err
		}
		if err == nil {
			f.find(entry, "instance_type", true, "%q has %g processors, %g GiB of memory and %s, which is not what else is asked for.",
				t.Name, t.CPUs, t.Memory, cmp.Or(t.Accelerators, "no accelerators"))
			return nil
		}
	}
	f.find(entry, "instance_type", true, "%s has no instance type %q in %s.", f.terms.Name, r.InstanceType, r.Location())
	return nil
}

// placeField is the attribute by which a place is named.
func placeField(r serve.Resource, older string) string {
	if r.Infra != "" {
		return "infra"
	}
	return older
}

// Zones lists the zones that something is offered in.
func Zones(offers []serve.Offer) []string {
	var zones []string
	for _, o := range offers {
		zones = append(zones, o.Location.Zone)
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// NamedType is the attribute by which a type is named, if it is.
func NamedType(r serve.Resource) string {
	if r.InstanceType == "" {
		return ""
	}
	return "instance_type"
}
