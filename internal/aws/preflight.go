// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Preflighter = (*Cloud)(nil)

// Preflight looks whether what is asked for is sold where it may be, whether there
// is an image and a network for it, whether EC2 would let it be launched, and
// whether quotas have room for it.
func (c *Cloud) Preflight(ctx context.Context, p serve.Preflight) ([]serve.Finding, error) {
	f := flight{cloud: c, Preflight: p, rooms: map[serve.Market]map[string]room{}, unknown: map[serve.Market]bool{}, programs: map[string]error{}}
	for i := range p.Entries {
		if err := f.look(ctx, i); err != nil {
			return nil, fmt.Errorf("asking AWS what would keep it from launching: %w", err)
		}
	}
	f.judgeRooms()
	return f.findings, nil
}

// flight is one preflight under way.
type flight struct {
	cloud *Cloud
	serve.Preflight

	mu       sync.Mutex
	findings []serve.Finding
	// rooms is what quotas leave, by market and region.
	rooms map[serve.Market]map[string]room
	// unknown are the markets of which some quota is not known.
	unknown map[serve.Market]bool
	// programs say of which architectures there is no program for machines.
	programs map[string]error
}

func (f *flight) find(entry int, field string, hopeless bool, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.findings = append(f.findings, serve.Finding{Entry: entry, Field: field, Hopeless: hopeless, Message: fmt.Sprintf(format, args...)})
}

// markets are those that machines are wanted of.
func (f *flight) markets() []serve.Market {
	var wanted []serve.Market
	if f.Spot > 0 {
		wanted = append(wanted, serve.Spot)
	}
	if f.OnDemand > 0 {
		wanted = append(wanted, serve.OnDemand)
	}
	return wanted
}

// look looks at one entry.
func (f *flight) look(ctx context.Context, entry int) error {
	r := f.Entries[entry]
	offers, err := f.cloud.offers(ctx, r)
	switch {
	case errors.Is(err, serve.ErrInvalid) && f.cloud.account.there() != nil:
		f.find(entry, "", true, "AWS cannot be asked for it: %v.", err)
		return nil
	case err != nil && len(offers) == 0:
		return err
	case len(offers) == 0:
		return f.nothing(ctx, entry)
	}
	var missing []string
	for _, market := range f.markets() {
		if !slices.ContainsFunc(offers, func(o serve.Offer) bool { return o.Market == market }) {
			missing = append(missing, words(market))
		}
	}
	if len(missing) > 0 {
		f.find(entry, "", len(missing) == len(f.markets()), "AWS does not sell such machines as %s ones in %s.", strings.Join(missing, " or "), r.Location())
	}
	return f.regions(ctx, entry, offers)
}

// words gives a market as sentences have it.
func words(m serve.Market) string { return strings.ReplaceAll(string(m), "_", "-") }

// regions looks at every region that something is offered in. What is in the way in
// all of them leaves no hope; in some of them it may be worth a word.
func (f *flight) regions(ctx context.Context, entry int, offers []serve.Offer) error {
	by := map[string][]serve.Offer{}
	var names []string
	for _, o := range offers {
		if by[o.Location.Region] == nil {
			names = append(names, o.Location.Region)
		}
		by[o.Location.Region] = append(by[o.Location.Region], o)
	}
	var mu sync.Mutex
	var blocked []serve.Finding
	err := f.cloud.account.each(ctx, names, func(s *site) error {
		found, err := f.region(ctx, s, f.Entries[entry], by[s.region])
		if err != nil {
			return err
		}
		if found != nil {
			mu.Lock()
			defer mu.Unlock()
			blocked = append(blocked, *found)
		}
		return nil
	})
	if err != nil && len(blocked) == 0 {
		return err
	}
	slices.SortFunc(blocked, func(a, b serve.Finding) int { return strings.Compare(a.Message, b.Message) })
	for _, b := range blocked {
		f.find(entry, b.Field, len(blocked) == len(names), "%s", b.Message)
	}
	return nil
}

// region looks at one region, and gives what keeps everything from being launched
// there.
func (f *flight) region(ctx context.Context, s *site, r serve.Resource, offers []serve.Offer) (*serve.Finding, error) {
	machine, err := s.typeNamed(ctx, offers[0].InstanceType)
	if err != nil {
		return nil, err
	}
	if err := f.program(machine.architecture); err != nil {
		return &serve.Finding{Field: namedType(r), Message: sentence(err)}, nil
	}
	image, err := s.image(ctx, r, machine)
	if err == nil {
		_, err = image.disk(r)
	}
	switch field := "image_id"; {
	case errors.Is(err, serve.ErrInvalid), errors.Is(err, serve.ErrNotFound), errors.Is(err, serve.ErrUnauthorized):
		if strings.Contains(err.Error(), "disk_size") {
			field = "disk_size"
		}
		if r.ImageID == "" && field == "image_id" {
			field = ""
		}
		return &serve.Finding{Field: field, Message: sentence(err)}, nil
	case err != nil:
		return nil, err
	}
	vpc, err := s.vpc(ctx, s.conf.VPC)
	if err != nil {
		return refusalOf(err)
	}
	subnets, err := s.subnets(ctx, vpc)
	if err != nil {
		return refusalOf(err)
	}
	reached := slices.DeleteFunc(slices.Clone(offers), func(o serve.Offer) bool { return subnets[o.Location.Zone] == "" })
	if len(reached) == 0 {
		return &serve.Finding{Message: fmt.Sprintf("The network %s has no subnet in any zone of %s that has such machines, which are %s.",
			vpc, s.region, strings.Join(zonesOf(offers), ", "))}, nil
	}
	if err := f.rehearse(ctx, s, ground{vpc: vpc, subnets: subnets}, image, reached); err != nil {
		return refusalOf(err)
	}
	for _, market := range f.markets() {
		f.measure(ctx, s, reached, market)
	}
	return nil, nil
}

// program says why there is no program for machines of an architecture, if there
// is none.
func (f *flight) program(architecture string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err, known := f.programs[architecture]
	if known || f.cloud.account.o.Program == nil {
		return err
	}
	p, err := f.cloud.account.o.Program(architecture)
	if err == nil {
		err = p.Close()
	}
	f.programs[architecture] = err
	return err
}

// refusalOf gives what AWS has refused as a finding, and anything else as an error.
func refusalOf(err error) (*serve.Finding, error) {
	if errors.Is(err, serve.ErrUnauthorized) || errors.Is(err, serve.ErrInvalid) || errors.Is(err, serve.ErrNotFound) {
		return &serve.Finding{Message: sentence(err)}, nil
	}
	return nil, err
}
