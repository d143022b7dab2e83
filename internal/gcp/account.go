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
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// account is a project of Google Cloud, connected to when it is first used.
type account struct {
	o CloudOptions

	joining turns.Turns[struct{}]

	mu     sync.Mutex // held for no longer than it takes to look
	joined *joined
	sites  map[string]*site
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

// join connects. A failure is not remembered: what it was for may be mended.
func (a *account) join(ctx context.Context) (*joined, error) {
	ctx, leave, err := a.joining.Enter(ctx, struct{}{})
	if err != nil {
		return nil, err
	}
	defer leave()
	if j := a.there(); j != nil {
		return j, nil
	}
	j, err := connect(ctx, a.o)
	if err != nil {
		return nil, fmt.Errorf("connecting to Google Cloud: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.joined = j
	return j, nil
}

// there gives the project if it is connected to.
func (a *account) there() *joined {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.joined
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
			conf.Credentials, conf.Impersonate = given, ""
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
	pages := j.services.regions.List(hasty(ctx), &computepb.ListRegionsRequest{Project: j.project})
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

// unused says that there has never been a machine, for certain: then there is nothing
// to ask Google, which may not even be configured.
func (a *account) unused() bool { return a.there() == nil && a.o.Unused() }

// site is one region of the project.
type site struct {
	*joined
	region string
	zones  []string
	types  fleet.Answers[zoneTypes]
}

// in gives a region of the project.
func (a *account) in(ctx context.Context, region string) (*site, error) {
	j, err := a.join(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.sites[region]
	if s == nil {
		s = &site{joined: j, region: region, zones: j.enabled[region]}
		a.sites[region] = s
	}
	return s, nil
}

// each does something in several regions at once, and gives all that went wrong.
func (a *account) each(ctx context.Context, regions []string, do func(*site) error) error {
	return fleet.Each(regions, func(region string) error {
		s, err := a.in(ctx, region)
		if err != nil {
			return err
		}
		return do(s)
	})
}
