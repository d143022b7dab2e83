// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// Offers gives what the clouds would sell for every entry of the resources, in a
// fixed order: entries of the same rank together, the preferred first. An entry
// that names no cloud is for the first of them, the controller's own. Of several
// entries that lead to the same pool the first counts. All are asked at once, so that
// a cloud that is lost holds up none of the others; what some offer comes with the
// error of the others.
func Offers(ctx context.Context, resources Resources, clouds []Cloud) ([]Offer, error) {
	entries := resources.Entries()
	answers, errs := make([][]Offer, len(entries)*len(clouds)), make([]error, len(entries)*len(clouds))
	var all sync.WaitGroup
	for i, entry := range entries {
		for c, cloud := range clouds {
			if entry.MayBeIn(cloud.Name(), c == 0) {
				n := i*len(clouds) + c
				all.Go(func() { answers[n], errs[n] = cloud.Offers(ctx, entry) })
			}
		}
	}
	all.Wait()
	var list []Offer
	for n, offered := range answers {
		for _, o := range offered {
			o.Entry = n / len(clouds)
			if len(resources.Ordered) > 0 {
				o.Rank = o.Entry
			}
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b Offer) int { return cmp.Compare(a.Rank, b.Rank) })
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(o Offer) bool {
		if seen[o.Key()] {
			return true
		}
		seen[o.Key()] = true
		return false
	}), errors.Join(errs...)
}

// MayBeIn reports whether machines of a complete entry may be in a cloud, which is
// the controller's own or not.
func (r Resource) MayBeIn(cloud string, own bool) bool {
	named := r.Location().Cloud
	return named == cloud || named == "" && own
}
