// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// policy reads replica_policy. SkyServe wants min_replicas, and max_replicas
// too when there is a target to scale by; without one they are the same.
func (r *reader) policy(v value, into *serve.ReplicaPolicy) {
	p := serve.NewSpec("").ReplicaPolicy
	const minimum, maximum, target = "min_replicas", "max_replicas", "target_qps_per_replica"
	const atOnce, metric = "target_concurrency_per_replica", "external_metric" // which SkyServe does not have
	r.mapping(v, []field{
		{minimum, r.whole(&p.MinReplicas)},
		{maximum, r.whole(&p.MaxReplicas)},
		{target, func(v value) { r.qps(v, &p.TargetQPSPerReplica) }},
		{atOnce, r.positive(&p.TargetConcurrencyPerReplica)},
		{metric, func(v value) {
			p.ExternalMetric = &serve.ExternalMetric{}
			r.mapping(v, []field{
				{"url", r.text(&p.ExternalMetric.URL)},
				{"field", r.text(&p.ExternalMetric.Field)},
				{"target_per_replica", r.positive(&p.ExternalMetric.TargetPerReplica)},
			})
		}},
		{"schedules", func(v value) {
			for _, item := range r.items(v) {
				p.Schedules = append(p.Schedules, r.schedule(item))
			}
		}},
		{"num_overprovision", r.whole(&p.NumOverprovision)},
		{"upscale_delay_seconds", r.number(&p.UpscaleDelaySeconds)},
		{"downscale_delay_seconds", r.number(&p.DownscaleDelaySeconds)},
		{"base_ondemand_fallback_replicas", r.whole(&p.BaseOndemandFallbackReplicas)},
		{"dynamic_ondemand_fallback", r.flag(&p.DynamicOndemandFallback)},
		{"dynamic_ondemand_fallback_delay_seconds", r.number(&p.DynamicOndemandFallbackDelaySeconds)},
		{"spot_placer", r.text(&p.SpotPlacer)},
	})
	wrote := func(key string) bool {
		_, ok := r.origins[join(v.spec, key)]
		return ok
	}
	switch {
	case kind(v.node) != "a mapping":
	case !wrote(minimum):
		r.fault(v.child(minimum, v.node), "The policy has no min_replicas; write how many replicas there are at least.")
	case !wrote(maximum):
		for _, scales := range []string{target, atOnce, metric} {
			if wrote(scales) {
				r.fault(v.child(maximum, v.node), "With %s, max_replicas must be set; write how many replicas there are at most.", scales)
				break
			}
		}
	}
	if !wrote(maximum) {
		p.MaxReplicas = p.MinReplicas
	}
	*into = p
}

// schedule reads one of the schedules, which SkyServe does not have.
func (r *reader) schedule(v value) serve.Schedule {
	s := serve.Schedule{}
	r.mapping(v, []field{
		{"days", func(v value) {
			for _, item := range r.items(v) {
				day := ""
				r.text(&day)(item)
				s.Days = append(s.Days, day)
			}
		}},
		{"from", r.text(&s.From)},
		{"to", r.text(&s.To)},
		{"time_zone", r.text(&s.TimeZone)},
		{"min_replicas", r.whole(&s.MinReplicas)},
		{"max_replicas", r.whole(&s.MaxReplicas)},
	})
	if _, ok := r.origins[join(v.spec, "max_replicas")]; !ok {
		s.MaxReplicas = s.MinReplicas
	}
	return s
}

// qps reads a target: a number, or one for each accelerator.
func (r *reader) qps(v value, into **serve.QPS) {
	switch kind(v.node) {
	case "a number":
		var q serve.QPS
		r.number(&q.Each)(v)
		*into = &q
	case "a mapping":
		q := serve.QPS{PerAccelerator: make(map[string]float64)}
		r.dictionary(v, func(name string, item value) {
			var each float64
			r.number(&each)(item)
			q.PerAccelerator[name] = each
		})
		*into = &q
	default:
		r.wrong(v, "a number, or a mapping from accelerators to numbers")
	}
}
