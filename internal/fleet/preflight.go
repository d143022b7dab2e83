// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Seller is a vendor who is asked what would keep machines from being launched.
type Seller interface {
	// Regions are those machines may be in.
	Regions(ctx context.Context) ([]string, error)
	// Sale gives what a resource can be had as, in all those regions: what
	// [serve.Cloud] has as Offers.
	Sale(ctx context.Context, r serve.Resource) ([]serve.Offer, error)
	// Type gives a type of machine that a region knows; serve.ErrInvalid if there is
	// none of the name.
	Type(ctx context.Context, region, name string) (Type, error)
	// Inspect looks at a region in which something is offered for a resource. It gives
	// what keeps everything from being launched there, nil for nothing, and otherwise
	// has the flight measure what room there is.
	Inspect(ctx context.Context, f *Flight, region string, r serve.Resource, offers []serve.Offer) (*serve.Finding, error)
}

// Terms are the words for a seller and what is the seller's.
type Terms struct {
	// Name is what people call the vendor: "AWS".
	Name string
	// Account is what machines belong to: "account".
	Account string
	// NoRegion begins the sentence about a region that there is not: "The account has
	// not enabled the region".
	NoRegion string
}

// Flight is one preflight under way.
type Flight struct {
	serve.Preflight
	seller  Seller
	terms   Terms
	program func(architecture string) (*agent.Program, error)

	mu       sync.Mutex
	findings []serve.Finding
	// rooms is what quotas leave, by market and region.
	rooms map[serve.Market]map[string]Room
	// unknown are the markets of which some quota is not known.
	unknown map[serve.Market]bool
	// programs say of which architectures there is no program for machines.
	programs map[string]error
}

// Preflight looks whether what is asked for is sold where it may be, whether it could
// be launched there, and whether quotas have room for it.
func Preflight(ctx context.Context, p serve.Preflight, o Options, s Seller, t Terms) ([]serve.Finding, error) {
	f := Flight{
		Preflight: p, seller: s, terms: t, program: o.Program,
		rooms: map[serve.Market]map[string]Room{}, unknown: map[serve.Market]bool{}, programs: map[string]error{},
	}
	for i := range p.Entries {
		if err := f.look(ctx, i); err != nil {
			return nil, fmt.Errorf("asking %s what would keep it from launching: %w", t.Name, err)
		}
	}
	f.judgeRooms()
	return f.findings, nil
}

func (f *Flight) find(entry int, field string, hopeless bool, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.findings = append(f.findings, serve.Finding{Entry: entry, Field: field, Hopeless: hopeless, Message: fmt.Sprintf(format, args...)})
}

// Markets are those that machines are wanted of.
func (f *Flight) Markets() []serve.Market {
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
func (f *Flight) look(ctx context.Context, entry int) error {
	r := f.Entries[entry]
	offers, err := f.seller.Sale(ctx, r)
	switch {
	case errors.Is(err, serve.ErrInvalid):
		// Unless it is the way to the vendor that is wrong.
		if _, err := f.seller.Regions(ctx); err != nil {
			return err
		}
		f.find(entry, "", true, "%s cannot be asked for it: %v.", f.terms.Name, err)
		return nil
	case err != nil && len(offers) == 0:
		return err
	case len(offers) == 0:
		return f.nothing(ctx, entry)
	}
	var missing []string
	for _, market := range f.Markets() {
		if !slices.ContainsFunc(offers, func(o serve.Offer) bool { return o.Market == market }) {
			missing = append(missing, words(market))
		}
	}
	if len(missing) > 0 {
		f.find(entry, "", len(missing) == len(f.Markets()), "%s does not sell such machines as %s ones in %s.", f.terms.Name, strings.Join(missing, " or "), r.Location())
	}
	return f.regions(ctx, entry, offers)
}

// words gives a market as sentences have it.
func words(m serve.Market) string { return strings.ReplaceAll(string(m), "_", "-") }

// regions looks at every region that something is offered in. What is in the way in
// all of them leaves no hope; in some of them it may be worth a word.
func (f *Flight) regions(ctx context.Context, entry int, offers []serve.Offer) error {
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
	err := Each(names, func(region string) error {
		found, err := f.seller.Inspect(ctx, f, region, f.Entries[entry], by[region])
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

// Program says why there is no program for machines of an architecture, if there
// is none.
func (f *Flight) Program(architecture string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err, known := f.programs[architecture]
	if known || f.program == nil {
		return err
	}
	p, err := f.program(architecture)
	if err == nil {
		err = p.Close()
	}
	f.programs[architecture] = err
	return err
}

// Refusal gives what a vendor has refused as a finding, in the words for people, and
// anything else as an error.
func Refusal(err error, sentence string) (*serve.Finding, error) {
	if errors.Is(err, serve.ErrUnauthorized) || errors.Is(err, serve.ErrInvalid) || errors.Is(err, serve.ErrNotFound) {
		return &serve.Finding{Message: sentence}, nil
	}
	return nil, err
}

// RefusalOfImage is Refusal of what is asked of an image and of the disk for it, under
// the attribute that asks for it.
func RefusalOfImage(err error, sentence string, r serve.Resource) (*serve.Finding, error) {
	found, other := Refusal(err, sentence)
	switch {
	case found == nil:
	case strings.Contains(err.Error(), "disk_size"):
		found.Field = "disk_size"
	case r.ImageID != "":
		found.Field = "image_id"
	}
	return found, other
}

// Sentence gives the text of an error as people read it, without the meaning it was
// given.
func Sentence(text string) string {
	for _, m := range []error{serve.ErrUnauthorized, serve.ErrInvalid, serve.ErrNotFound} {
		text = strings.Replace(strings.TrimSuffix(text, ": "+m.Error()), m.Error()+": ", "", 1)
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}
