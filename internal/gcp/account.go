// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/keyring"
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
	current
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
	j := &joined{where: where, log: o.Logger()}
	j.Keyring, err = keyring.Open(ctx, cloudName, o.Shown, func(ctx context.Context, text string) (entry, error) {
		return enter(ctx, o, where, text)
	})
	if err != nil {
		return nil, err
	}
	first := j.Key()
	j.enabled, j.access = first.enabled, first.by(j.current)
	if o.Scope != nil {
		if j.scope, err = o.Scope(); err != nil {
			return nil, err
		}
	}
	j.services, err = j.access.services(ctx)
	return j, err
}

// entry is how a project is reached by one key, which it has let in.
type entry struct {
	*access
	enabled map[string][]string
}

// enter finds out whether the project lets in who has been given something; nothing is
// as the place says.
func enter(ctx context.Context, o CloudOptions, where *fleet.Whereabouts[Config], text string) (entry, error) {
	conf := where.Config()
	if text != "" {
		conf.Credentials = text
	}
	a, err := conf.load(ctx, o.Transport)
	if err != nil {
		return entry{}, err
	}
	if err := where.Belong("project", a.project); err != nil {
		return entry{}, err
	}
	enabled, err := a.look(ctx)
	return entry{a, enabled}, err
}

// current is the way to Google by what is used at the time.
type current struct{ *keyring.Keyring[entry] }

// RoundTrip implements [http.RoundTripper].
func (c current) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.Key().client.Transport.RoundTrip(req)
}

// look sees which regions there are, with their zones.
func (a *access) look(ctx context.Context) (map[string][]string, error) {
	ctx = hasty(ctx)
	s, err := a.bound(ctx).services(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	pages := s.regions.List(ctx, &computepb.ListRegionsRequest{Project: a.project})
	for {
		r, err := pages.Next()
		if errors.Is(err, iterator.Done) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("asking which regions there are: %w", meaning(err))
		}
		for _, zone := range r.GetZones() {
			all[r.GetName()] = append(all[r.GetName()], path.Base(zone))
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
