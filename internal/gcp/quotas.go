// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// limit is a quota that a machine counts against, and how much of it the machine
// takes.
type limit struct {
	metric string
	takes  float64
}

// limitsOf gives the quotas of a region that a machine of a type counts against.
// Processors of some series are counted apart, and so are accelerators of each kind,
// and spot machines if the project has a quota for them: without one they count as
// others do.
func limitsOf(t fleet.Type, market serve.Market, there allowances) []limit {
	metric := "CPUS"
	switch series := seriesOf(t.Name); series {
	case "n2", "n2d", "c2", "c2d", "c3", "t2d", "t2a", "a2", "m3":
		metric = strings.ToUpper(series) + "_CPUS"
	}
	spot := market == serve.Spot && there["PREEMPTIBLE_CPUS"] > 0
	if spot {
		metric = "PREEMPTIBLE_CPUS"
	}
	limits := []limit{{metric, t.CPUs}, {"INSTANCES", 1}, {"CPUS" + allRegions, t.CPUs}}
	if t.Accelerators != "" {
		name, count, err := serve.ParseAccelerators(t.Accelerators)
		if g, ok := gpuNamed(name); ok && err == nil {
			metric := g.quota
			if market == serve.Spot {
				metric = "PREEMPTIBLE_" + metric
			}
			limits = append(limits, limit{metric, count}, limit{"GPUS" + allRegions, count})
		}
	}
	return limits
}

// room gives how many machines could run by the quotas, of those that are offered, if
// nothing else does; false where no quota is known that they count against. What counts
// against one quota of processors can run beside what counts against another.
func (s *site) room(ctx context.Context, offers []serve.Offer, there allowances) (fleet.Room, bool) {
	by := map[string]fleet.Room{}
	for _, o := range offers {
		t, err := s.typeFor(ctx, o)
		if err != nil {
			continue // it is offered no more
		}
		limits := limitsOf(t, o.Market, there)
		r, known := there.room(limits, s.region)
		if !known {
			return fleet.Room{}, false
		}
		if most, seen := by[limits[0].metric]; !seen || r.Machines > most.Machines {
			by[limits[0].metric] = r
		}
	}
	var all, most fleet.Room
	for _, metric := range slices.Sorted(maps.Keys(by)) {
		if r := by[metric]; most.By == "" || r.Machines > most.Machines {
			most = r
		}
		all.Machines += by[metric].Machines
	}
	all.By = most.By
	return all, len(by) > 0
}

// allowances are what quotas allow, by their metrics.
type allowances map[string]float64

// room gives how many machines the limits leave, with the quota that leaves the fewest.
func (a allowances) room(limits []limit, region string) (least fleet.Room, known bool) {
	for _, l := range limits {
		allowed, ok := a[l.metric]
		if n := math.Floor(allowed / l.takes); ok && (!known || n < least.Machines) {
			where := region
			if strings.HasSuffix(l.metric, allRegions) {
				where = "all regions together"
			}
			least, known = fleet.Room{Machines: n, By: fmt.Sprintf("%s in %s is %g", l.metric, where, allowed)}, true
		}
	}
	return least, known
}

// allRegions is how the metrics of the quotas end that all regions count against
// together.
const allRegions = "_ALL_REGIONS"

// allowances gives the quotas of the region, and of the project; none where they cannot
// be had, which is no reason to do without the machines.
func (s *site) allowances(ctx context.Context) allowances {
	all := allowances{}
	r, err := s.services.regions.Get(ctx, &computepb.GetRegionRequest{Project: s.project, Region: s.region})
	if err != nil {
		return nil
	}
	p, err := s.services.projects.Get(ctx, &computepb.GetProjectRequest{Project: s.project})
	if err != nil {
		return nil
	}
	for _, q := range append(r.GetQuotas(), p.GetQuotas()...) {
		all[q.GetMetric()] = q.GetLimit()
	}
	return all
}
