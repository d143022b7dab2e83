// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"fmt"
	"slices"
)

// validateMarkets checks that the policy and the entries agree on who is spot.
func (s Spec) validateMarkets(es *FieldErrors) {
	const policy = "replica_policy."
	p := s.ReplicaPolicy
	switch {
	case p.Fixed:
		// Then neither a fallback nor a placer is accepted.
		s.Resources.validateOneMarket(es)
	case p.UsesFallback():
		s.Resources.validateAllSpot(es, "on-demand fallback", policy+"dynamic_ondemand_fallback", policy+"base_ondemand_fallback_replicas")
	case p.SpotPlacer != "":
		s.Resources.validateAllSpot(es, "a spot placer", policy+"spot_placer")
	default:
		s.Resources.validateOneMarket(es)
	}
	if !p.Fixed && (p.SpotPlacer == DynamicFallbackPlacer || p.SpotPlacer == SpotHedgePlacer) {
		s.Resources.validateAlike(es)
	}
}

// validateAllSpot wants every entry to be spot, because the options at paths do.
func (r Resources) validateAllSpot(es *FieldErrors, what string, paths ...string) {
	for _, a := range r.alternatives() {
		if !a.Spot() {
			path := a.at("use_spot", a.own.UseSpot != nil)
			es.add(path, append(relatedTo(path, "use_spot"), paths...), "The replicas are on-demand already, and %s is for spot replicas: set use_spot to true.", what)
		}
	}
}

// validateOneMarket refuses alternatives that mix the markets: which of them a
// replica got would be chance. The fallback options are the way to have both.
func (r Resources) validateOneMarket(es *FieldErrors) {
	all := r.alternatives()
	i := slices.IndexFunc(all, func(a alternative) bool { return a.Spot() != all[0].Spot() })
	if i < 0 {
		return
	}
	path := all[i].at("use_spot", all[i].own.UseSpot != nil)
	es.add(path, append(relatedTo(path, "use_spot"), "replica_policy.dynamic_ondemand_fallback", "replica_policy.base_ondemand_fallback_replicas"),
		"Some entries are spot and some on-demand. To have both, set use_spot to true on all of them, and dynamic_ondemand_fallback or base_ondemand_fallback_replicas in replica_policy.")
}

// validateAlike wants entries that differ in nothing but their place, as a
// placer chooses among places only.
func (r Resources) validateAlike(es *FieldErrors) {
	all := r.alternatives()
	first, none := all[0].traits(), Resource{}.traits()
	for _, a := range all[1:] {
		own := a.own.traits()
		for i, t := range a.traits() {
			if t == first[i] {
				continue
			}
			path := a.at(t.name, own[i] != none[i])
			es.add(path, append(relatedTo(path, t.name), "replica_policy.spot_placer"), "A spot placer chooses among places, so that entries may differ in nothing else, but %s is not that of %s.", t.name, all[0].path)
		}
	}
}

// trait is a field that makes one machine different from another.
type trait struct{ name, value string }

// traits gives every field but the place and the market.
func (r Resource) traits() []trait {
	return []trait{
		{"instance_type", r.InstanceType},
		{"cpus", r.CPUs},
		{"memory", r.Memory},
		{"accelerators", r.Accelerators},
		{"disk_size", r.DiskSize},
		{"disk_tier", r.DiskTier},
		{"image_id", r.ImageID},
		{"ports", r.Ports},
		{"labels", fmt.Sprint(r.Labels)},
		{"max_hourly_cost", number(r.MaxHourlyCost)},
	}
}
