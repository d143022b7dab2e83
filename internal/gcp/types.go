// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// catalogLifetime is for how long what types and prices there are is believed.
const catalogLifetime = 24 * time.Hour

// zoneTypes is what a zone has.
type zoneTypes struct {
	types []fleet.Type
	// attachable are the accelerators that machines of the series N1 can be given, with
	// how many of them one may have.
	attachable map[string]int
}

// has reports whether the zone has machines of a series.
func (z zoneTypes) has(series string) bool {
	return slices.ContainsFunc(z.types, func(t fleet.Type) bool { return seriesOf(t.Name) == series })
}

// seriesOf gives what all types of a kind have in common: "n2" of "n2-standard-4".
func seriesOf(name string) string {
	series, _, _ := strings.Cut(name, "-")
	return series
}

// typesIn gives all that some zones of the region have, by zone, also with an error
// about others.
func (s *site) typesIn(ctx context.Context, zones []string) (map[string]zoneTypes, error) {
	var mu sync.Mutex
	by := map[string]zoneTypes{}
	err := fleet.Each(zones, func(zone string) error {
		known := s.types[zone]
		if known == nil {
			return fmt.Errorf("%w: there is no such zone", serve.ErrInvalid)
		}
		z, err := known.One(ctx, catalogLifetime, zone, func(ctx context.Context) (zoneTypes, error) {
			return s.askTypes(hasty(ctx), zone) // a zone that is lost holds up the others
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		by[zone] = z
		return nil
	})
	return by, err
}

func (j *joined) askTypes(ctx context.Context, zone string) (zoneTypes, error) {
	z := zoneTypes{attachable: map[string]int{}}
	pages := j.within(ctx).types.List(ctx, &computepb.ListMachineTypesRequest{Project: j.project, Zone: zone})
	for {
		t, err := pages.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return zoneTypes{}, fmt.Errorf("asking which types of machines there are: %w", meaning(err))
		}
		if m, ok := typeOf(t); ok {
			z.types = append(z.types, m)
		}
	}
	some := j.within(ctx).accelerators.List(ctx, &computepb.ListAcceleratorTypesRequest{Project: j.project, Zone: zone})
	for {
		t, err := some.Next()
		if errors.Is(err, iterator.Done) {
			fleet.SortTypes(z.types)
			return z, nil
		}
		if err != nil {
			return zoneTypes{}, fmt.Errorf("asking which accelerators there are: %w", meaning(err))
		}
		if g, ok := gpuOf(t.GetName()); ok && len(g.hosts) > 0 {
			z.attachable[g.name] = int(t.GetMaximumCardsPerInstance())
		}
	}
}

// ordinary are the series that most programs are content with.
func ordinary(series string) bool {
	switch series {
	case "e2", "n1", "n2", "n2d", "n4", "n4d", "c2", "c2d", "c3", "c3d", "c4", "c4d", "t2d", "a2", "a3", "a4", "g2", "g4":
		return true
	}
	return false
}

// typeOf reads a type; false for one with accelerators that are not for computing.
func typeOf(m *computepb.MachineType) (fleet.Type, bool) {
	t := fleet.Type{
		Name: m.GetName(), CPUs: float64(m.GetGuestCpus()), Memory: float64(m.GetMemoryMb()) / 1024, Architecture: "amd64",
		Markets: []serve.Market{serve.Spot, serve.OnDemand}, // the price list says in which of them
	}
	if m.GetArchitecture() == "ARM64" {
		t.Architecture = "arm64"
	}
	t.Special = !ordinary(seriesOf(t.Name)) || m.GetIsSharedCpu() || strings.HasSuffix(t.Name, "-metal") || strings.Contains(t.Name, "lssd") || m.GetDeprecated().GetState() != ""
	for _, a := range m.GetAccelerators() {
		g, known := gpuOf(a.GetGuestAcceleratorType())
		if !known {
			return fleet.Type{}, false
		}
		t.Accelerators = accelerators(g.name, int(a.GetGuestAcceleratorCount()))
	}
	return t, t.CPUs > 0 && t.Memory > 0
}

// billed gives how many processors of a machine are paid for: those of the smallest
// types are shared.
func billed(t fleet.Type) float64 {
	switch t.Name {
	case "e2-micro":
		return 0.25
	case "e2-small":
		return 0.5
	case "e2-medium":
		return 1
	}
	return t.CPUs
}

// accelerators writes accelerators as users do.
func accelerators(name string, count int) string { return name + ":" + strconv.Itoa(count) }

// typeFor gives the type of an offer: one that its zone lists, or one that is made to
// measure, with the accelerators that are to be attached to it.
func (s *site) typeFor(ctx context.Context, o serve.Offer) (fleet.Type, error) {
	if t, ok := customNamed(o.InstanceType); ok {
		return t, nil
	}
	zone := o.Location.Zone
	by, err := s.typesIn(ctx, []string{zone})
	if err != nil {
		return fleet.Type{}, err
	}
	t, err := fleet.TypeNamed(by[zone].types, o.InstanceType, zone)
	t.Accelerators = cmp.Or(t.Accelerators, o.Accelerators)
	return t, err
}
