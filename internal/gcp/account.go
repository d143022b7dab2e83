// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
)

// account is a project of Google Cloud, connected to when it is first used.
type account = fleet.Account[*joined, *site]

func newAccount(o CloudOptions) *account {
	return fleet.NewAccount(o, "Google Cloud", connect, (*joined).site)
}

// joined is a project that is connected to.
type joined struct {
	*access
	*services
	where *fleet.Whereabouts[Config]
	scope string
	log   *slog.Logger
	// enabled are the regions that the project may use, with their zones.
	enabled map[string][]string

	pricing pricing
	images  fleet.Answers[machineImage]
	grounds fleet.Answers[ground]
	// rules are the services whose firewall rules are there.
	rules fleet.Answers[struct{}]
	// rehearsed are the projects in which all is allowed that a launch takes.
	rehearsed fleet.Answers[struct{}]
}

func connect(ctx context.Context, o CloudOptions) (*joined, error) {
	where, err := fleet.NewWhereabouts[Config](o)
	if err != nil {
		return nil, err
	}
	j := &joined{where: where, log: o.Logger(), enabled: map[string][]string{}}
	conf := where.Config()
	if o.Shown != nil {
		given, err := o.Shown(ctx, cloudName)
		if err != nil {
			return nil, err
		}
		if given != "" {
			conf.Credentials = given
		}
	}
	if j.access, err = conf.load(ctx, o.Transport); err != nil {
		return nil, err
	}
	if err := where.Belong("project", j.project); err != nil {
		return nil, err
	}
	if o.Scope != nil {
		if j.scope, err = o.Scope(); err != nil {
			return nil, err
		}
	}
	if j.services, err = j.access.services(ctx); err != nil {
		return nil, err
	}
	return j, j.look(ctx)
}

// look sees which regions there are.
func (j *joined) look(ctx context.Context) error {
	ctx = hasty(ctx)
	pages := j.within(ctx).regions.List(ctx, &computepb.ListRegionsRequest{Project: j.project})
	for {
		r, err := pages.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("asking which regions there are: %w", meaning(err))
		}
		for _, zone := range r.GetZones() {
			j.enabled[r.GetName()] = append(j.enabled[r.GetName()], path.Base(zone))
		}
	}
}

// usable gives the regions in which machines may be made.
func (j *joined) usable() []string {
	all := slices.Sorted(maps.Keys(j.enabled))
	if len(j.conf.Regions) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(j.conf.Regions), func(r string) bool { return !slices.Contains(all, r) })
}

// populated reports whether there may be machines in a region.
func (j *joined) populated(region string) bool {
	return slices.Contains(j.where.Populated(slices.Sorted(maps.Keys(j.enabled))), region)
}

// site is one region of the project.
type site struct {
	*joined
	region string
	zones  []string
	// types are what there is, of each zone.
	types map[string]*fleet.Answers[zoneTypes]
}

// site opens a region of the project.
func (j *joined) site(region string) *site {
	s := &site{joined: j, region: region, zones: j.enabled[region], types: map[string]*fleet.Answers[zoneTypes]{}}
	for _, zone := range s.zones {
		s.types[zone] = new(fleet.Answers[zoneTypes])
	}
	return s
}
