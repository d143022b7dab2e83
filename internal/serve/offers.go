// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// Offers gives what the clouds would sell for every entry of the resources, in a
// fixed order: entries of the same rank together, the preferred first. An entry
// that names no cloud is for the first of them, the controller's own. Of several
// entries that lead to the same pool the first counts. What some clouds offer comes
// with the error of the others.
func Offers(ctx context.Context, resources Resources, clouds []Cloud) ([]Offer, error) {
	var list []Offer
	var failed error
	for i, entry := range resources.Entries() {
		for c, cloud := range clouds {
			if !entry.MayBeIn(cloud.Name(), c == 0) {
				continue
			}
			offered, err := cloud.Offers(ctx, entry)
			failed = errors.Join(failed, err)
			for _, o := range offered {
				o.Entry = i
				if len(resources.Ordered) > 0 {
					o.Rank = i
				}
				list = append(list, o)
			}
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
	}), failed
}

// MayBeIn reports whether machines of a complete entry may be in a cloud, which is
// the controller's own or not.
func (r Resource) MayBeIn(cloud string, own bool) bool {
	named := r.Location().Cloud
	return named == cloud || named == "" && own
}
