// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"maps"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

func (p ReplicaPolicy) validate(es *FieldErrors) {
	if p.Fixed {
		p.validateFixed(es)
		return
	}
	const at = "replica_policy."
	p.validateRange(es)
	p.TargetQPSPerReplica.validate(es)
	if n := p.TargetConcurrencyPerReplica; math.IsNaN(n) || n < 0 || n > maxSeconds {
		es.add(at+"target_concurrency_per_replica", nil, "%s requests under way cannot be the target of a replica; it must be a number above 0.", number(n))
	}
	p.ExternalMetric.validate(es)
	for i, s := range p.Schedules {
		s.validate(es, item(at+"schedules", i), p)
	}
	es.replicas(at+"num_overprovision", p.NumOverprovision)
	es.delay(at+"upscale_delay_seconds", p.UpscaleDelaySeconds)
	es.delay(at+"downscale_delay_seconds", p.DownscaleDelaySeconds)

	const base = at + "base_ondemand_fallback_replicas"
	most := max(p.MinReplicas, p.MaxReplicas)
	if es.replicas(base, p.BaseOndemandFallbackReplicas) && most >= 0 && p.BaseOndemandFallbackReplicas > most {
		es.add(base, []string{at + "min_replicas", at + "max_replicas"}, "%d on-demand replicas are more than max_replicas, which is %d.", p.BaseOndemandFallbackReplicas, p.MaxReplicas)
	}
	const delay, dynamic = at + "dynamic_ondemand_fallback_delay_seconds", at + "dynamic_ondemand_fallback"
	es.delay(delay, p.DynamicOndemandFallbackDelaySeconds)
	if p.DynamicOndemandFallbackDelaySeconds > 0 && !p.DynamicOndemandFallback {
		es.add(delay, []string{dynamic}, "There is no fallback to delay; set dynamic_ondemand_fallback to true or leave this out.")
	}
	if p.SpotPlacer != "" && !slices.Contains(SpotPlacers(), p.SpotPlacer) {
		es.oneOf(at+"spot_placer", p.SpotPlacer, SpotPlacers())
	}
}

// validateFixed checks a plain number of replicas, which leaves nothing to be
// decided by a policy.
func (p ReplicaPolicy) validateFixed(es *FieldErrors) {
	if es.replicas("replicas", p.MinReplicas) && !reflect.DeepEqual(p, FixedReplicas(p.MinReplicas)) {
		es.add("replicas", []string{"replica_policy"}, "A plain number of replicas excludes a replica_policy; write min_replicas %d there instead.", p.MinReplicas)
	}
}

// validateRange checks min_replicas and max_replicas. A broken rule ends it.
func (p ReplicaPolicy) validateRange(es *FieldErrors) {
	const low, high = "replica_policy.min_replicas", "replica_policy.max_replicas"
	const target, under = "replica_policy.target_qps_per_replica", "replica_policy.target_concurrency_per_replica"
	const metric = "replica_policy.external_metric"
	sane := es.replicas(low, p.MinReplicas)
	// A maximum that was left out is the minimum, whose mistake is told already.
	if p.MaxReplicas != p.MinReplicas {
		sane = es.replicas(high, p.MaxReplicas) && sane
	}
	switch {
	case !sane:
	case p.MaxReplicas < p.MinReplicas:
		es.add(high, []string{low}, "max_replicas is %d, which is less than min_replicas, %d.", p.MaxReplicas, p.MinReplicas)
	case p.MaxReplicas > p.MinReplicas && !p.Scales():
		es.add(high, []string{low, target, under, metric}, "max_replicas is %d and min_replicas is %d, but without target_qps_per_replica, target_concurrency_per_replica or external_metric nothing scales between them; set one, or leave max_replicas out.", p.MaxReplicas, p.MinReplicas)
	}
}

func (m *ExternalMetric) validate(es *FieldErrors) {
	if m == nil {
		return
	}
	const at = "replica_policy.external_metric."
	u, err := url.Parse(m.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		es.add(at+"url", nil, "%q is not a URL that could be asked; it begins with http:// or https:// and a host.", m.URL)
	} else if u.User != nil {
		es.add(at+"url", nil, "The URL has a name and a password in it, which would be shown to everybody; leave them out.")
	}
	if slices.Contains(strings.Split(m.Field, "."), "") && m.Field != "" {
		es.add(at+"field", nil, "%q is not a path into a JSON document; it is names and indexes with dots between, such as \"queue.length\".", m.Field)
	}
	if n := m.TargetPerReplica; math.IsNaN(n) || n <= 0 || n > maxSeconds {
		es.add(at+"target_per_replica", nil, "%s cannot be what one replica is meant for; it must be a number above 0.", number(n))
	}
}

// replicas refuses what cannot be a number of replicas, and reports whether it
// did not have to.
func (es *FieldErrors) replicas(path string, n int) bool {
	switch {
	case n < 0:
		es.add(path, nil, "%d replicas cannot be; it must be 0 or more.", n)
	case n > maxReplicas:
		es.add(path, nil, "%d replicas are too many; it must be at most %d.", n, maxReplicas)
	default:
		return true
	}
	return false
}

func (q *QPS) validate(es *FieldErrors) {
	const path = "replica_policy.target_qps_per_replica"
	switch {
	case q == nil:
	case q.PerAccelerator == nil:
		es.rate(path, q.Each)
	case len(q.PerAccelerator) == 0:
		es.add(path, nil, "It names no accelerator; write a number, or a number for each accelerator.")
	default:
		for _, key := range slices.Sorted(maps.Keys(q.PerAccelerator)) {
			at := element(path, key)
			if key == "" {
				es.add(at, nil, "An accelerator has no name; write NAME or NAME:count, as in \"A100:8\".")
			} else if _, _, err := ParseAccelerators(key); err != nil {
				es.add(at, nil, "%s", sentence(err))
			}
			es.rate(at, q.PerAccelerator[key])
		}
	}
}

// rate refuses what cannot be divided by to get a number of replicas.
func (es *FieldErrors) rate(path string, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) || v <= 0 {
		es.add(path, nil, "%s requests per second cannot be the target of a replica; it must be a number above 0.", number(v))
	}
}
