// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// valid is a spec with nothing wrong; the rows of the tables below break it.
func valid() serve.Spec {
	s := serve.NewSpec("http-server")
	s.Run = "python3 server.py"
	s.Resources.Ports = "8081"
	return s
}

// scaling is valid with autoscaling between 2 and 3 replicas.
func scaling() serve.Spec {
	s := valid()
	s.ReplicaPolicy.MinReplicas, s.ReplicaPolicy.MaxReplicas = 2, 3
	s.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{Each: 1}
	return s
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// mistake is one way to break a spec: exactly one error at path must say so.
type mistake struct {
	name  string
	spec  func() serve.Spec
	spoil func(*serve.Spec)
	path  string
	says  string
}

func TestValidateFindsTheOneMistake(t *testing.T) {
	t.Parallel()
	rows := slices.Concat(nameMistakes(), probeMistakes(), policyMistakes(), balancerMistakes(), updateMistakes(), scheduleMistakes(), marketMistakes(), resourceMistakes(), placeMistakes(), portMistakes(), taskMistakes())
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := valid()
			if row.spec != nil {
				s = row.spec()
			}
			row.spoil(&s)
			es := s.Validate()
			if len(es) != 1 {
				t.Fatalf("got %d errors, want 1:\n%v", len(es), es)
			}
			if es[0].Path != row.path || !strings.Contains(es[0].Message, row.says) {
				t.Errorf("got %v\nwant path %q and a message with %q", es[0], row.path, row.says)
			}
			if slices.Contains(es[0].Related, es[0].Path) {
				t.Errorf("the path %q is related to itself", es[0].Path)
			}
		})
	}
}

func nameMistakes() []mistake {
	rename := func(to string) func(*serve.Spec) { return func(s *serve.Spec) { s.Name = to } }
	const path = "name"
	return []mistake{
		{"no name", nil, rename(""), path, "has no name"},
		{"a name that begins with a digit", nil, rename("1st"), path, `"1st" is not a name`},
		{"a name that ends with a dash", nil, rename("web-"), path, "ends with a letter or digit"},
		{"a name with a space", nil, rename("my web"), path, "is not a name"},
		{"a name with letters beyond ASCII", nil, rename("wäb"), path, "is not a name"},
		{"a name of 64 characters", nil, rename(strings.Repeat("a", 64)), path, "has 64 characters; at most 63"},
	}
}

func probeMistakes() []mistake {
	probe := func(spoil func(*serve.ReadinessProbe)) func(*serve.Spec) {
		return func(s *serve.Spec) { spoil(&s.ReadinessProbe) }
	}
	const at = "readiness_probe."
	return []mistake{
		{"V6 a probe path without a slash", nil, probe(func(p *serve.ReadinessProbe) { p.Path = "health" }), at + "path", `write "/health"`},
		{"a probe path with a space", nil, probe(func(p *serve.ReadinessProbe) { p.Path = "/a b" }), at + "path", "percent-encoded"},
		{"a probe path with a broken escape", nil, probe(func(p *serve.ReadinessProbe) { p.Path = "/%zz" }), at + "path", "cannot be requested"},
		{"V10 post data that is not JSON", nil, probe(func(p *serve.ReadinessProbe) { p.PostData = "{bad" }), at + "post_data", "not valid JSON"},
		{"a header name with a space", nil, probe(func(p *serve.ReadinessProbe) { p.Headers = map[string]string{"X Y": "z"} }), at + `headers["X Y"]`, "not the name of an HTTP header"},
		{"a header without a name", nil, probe(func(p *serve.ReadinessProbe) { p.Headers = map[string]string{"": "z"} }), at + `headers[""]`, "not the name"},
		{"a header that smuggles another", nil, probe(func(p *serve.ReadinessProbe) { p.Headers = map[string]string{"X": "a\r\nY: b"} }), at + `headers["X"]`, "line break"},
		{"a header written in two cases", nil, probe(func(p *serve.ReadinessProbe) { p.Headers = map[string]string{"X-A": "1", "x-a": "2"} }), at + `headers["x-a"]`, `same header as "X-A"`},
		{"a negative grace period", nil, probe(func(p *serve.ReadinessProbe) { p.InitialDelaySeconds = -1 }), at + "initial_delay_seconds", "-1 seconds is negative"},
		{"an endless grace period", nil, probe(func(p *serve.ReadinessProbe) { p.InitialDelaySeconds = math.Inf(1) }), at + "initial_delay_seconds", "not a finite number"},
		{"a grace period beyond what a clock can count", nil, probe(func(p *serve.ReadinessProbe) { p.InitialDelaySeconds = 1e12 }), at + "initial_delay_seconds", "too long"},
		{"a probe with no time to answer", nil, probe(func(p *serve.ReadinessProbe) { p.TimeoutSeconds = 0 }), at + "timeout_seconds", "more than 0"},
		{"a timeout that is not a number", nil, probe(func(p *serve.ReadinessProbe) { p.TimeoutSeconds = math.NaN() }), at + "timeout_seconds", "not a finite number"},
		{"probes without a pause", nil, probe(func(p *serve.ReadinessProbe) { p.EndpointProbeIntervalSeconds = 0 }), at + "endpoint_probe_interval_seconds", "more than 0"},
		{"a pause shorter than a timer can wait", nil, probe(func(p *serve.ReadinessProbe) { p.EndpointProbeIntervalSeconds = 1e-12 }), at + "endpoint_probe_interval_seconds", "at least 0.001"},
		{"a negative failure window", nil, probe(func(p *serve.ReadinessProbe) { p.ConsecutiveFailureThresholdTimeout = -5 }), at + "consecutive_failure_threshold_timeout", "0 or more"},
		{"a stream that may not be silent at all", nil, func(s *serve.Spec) { s.LoadBalancer.StreamTimeoutSeconds = 0 }, "load_balancer.stream_timeout_seconds", "more than 0"},
	}
}

func policyMistakes() []mistake {
	policy := func(spoil func(*serve.ReplicaPolicy)) func(*serve.Spec) {
		return func(s *serve.Spec) { spoil(&s.ReplicaPolicy) }
	}
	balance := func(p serve.LoadBalancingPolicy) func(*serve.Spec) {
		return func(s *serve.Spec) { s.LoadBalancingPolicy = p }
	}
	perAccelerator := func(m map[string]float64) func() serve.Spec {
		return func() serve.Spec {
			s := scaling()
			s.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
			s.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{PerAccelerator: m}
			return s
		}
	}
	same := func(*serve.Spec) {}
	const at = "replica_policy."
	return []mistake{
		{"V1 a maximum below the minimum", scaling, policy(func(p *serve.ReplicaPolicy) { p.MinReplicas, p.MaxReplicas = 3, 2 }), at + "max_replicas", "less than min_replicas, 3"},
		{"V3 a range with nothing to scale by", nil, policy(func(p *serve.ReplicaPolicy) { p.MaxReplicas = 2 }), at + "max_replicas", "nothing scales between them"},
		{"V4 a plain number of replicas and a policy", scaling, policy(func(p *serve.ReplicaPolicy) { p.Fixed = true }), "replicas", "excludes a replica_policy"},
		{"a plain number of replicas and a fallback", nil, func(s *serve.Spec) {
			s.ReplicaPolicy = serve.FixedReplicas(2)
			s.ReplicaPolicy.DynamicOndemandFallback = true
		}, "replicas", "min_replicas 2"},
		{"a negative number of replicas", nil, func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(-1) }, "replicas", "-1 replicas cannot be"},
		{"a negative minimum", scaling, policy(func(p *serve.ReplicaPolicy) { p.MinReplicas = -1 }), at + "min_replicas", "0 or more"},
		{"a negative minimum that is the maximum too", valid, policy(func(p *serve.ReplicaPolicy) { p.MinReplicas, p.MaxReplicas = -1, -1 }), at + "min_replicas", "0 or more"},
		{"a negative maximum", scaling, policy(func(p *serve.ReplicaPolicy) { p.MaxReplicas = -1 }), at + "max_replicas", "0 or more"},
		{"a million replicas", scaling, policy(func(p *serve.ReplicaPolicy) { p.MaxReplicas = 1e6 }), at + "max_replicas", "too many"},
		{"a target of no requests", scaling, policy(func(p *serve.ReplicaPolicy) { p.TargetQPSPerReplica.Each = 0 }), at + "target_qps_per_replica", "number above 0"},
		{"a target of negative requests", scaling, policy(func(p *serve.ReplicaPolicy) { p.TargetQPSPerReplica.Each = -2 }), at + "target_qps_per_replica", "-2 requests per second"},
		{"an endless target", scaling, policy(func(p *serve.ReplicaPolicy) { p.TargetQPSPerReplica.Each = math.Inf(1) }), at + "target_qps_per_replica", "number above 0"},
		{"a target for no accelerator at all", perAccelerator(map[string]float64{}), same, at + "target_qps_per_replica", "names no accelerator"},
		{"a target for an accelerator without a name", perAccelerator(map[string]float64{"": 1}), same, at + `target_qps_per_replica[""]`, "no name"},
		{"a target for none of an accelerator", perAccelerator(map[string]float64{"A100:0": 1}), same, at + `target_qps_per_replica["A100:0"]`, "not a number above 0"},
		{"a target of zero for an accelerator", perAccelerator(map[string]float64{"A100": 1, "L4": 0}), same, at + `target_qps_per_replica["L4"]`, "number above 0"},
		{"V14 a target per accelerator and least_load", perAccelerator(map[string]float64{"A100": 1}), balance(serve.LeastLoad), "load_balancing_policy", "instance_aware_least_load"},
		{"V14 one target and instance_aware_least_load", scaling, balance(serve.InstanceAwareLeastLoad), at + "target_qps_per_replica", "a target for each accelerator"},
		{"no target and instance_aware_least_load", nil, balance(serve.InstanceAwareLeastLoad), at + "target_qps_per_replica", "a target for each accelerator"},
		{"a plain number of replicas and instance_aware_least_load", nil, func(s *serve.Spec) {
			s.ReplicaPolicy = serve.FixedReplicas(2)
			s.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
		}, "load_balancing_policy", "write a replica_policy instead"},
		{"a balancing policy in another case", nil, balance("Round_Robin"), "load_balancing_policy", `did you mean "round_robin"?`},
		{"a balancing policy nobody knows", nil, balance("magic"), "load_balancing_policy", `"least_load", "round_robin", "instance_aware_least_load"`},
		{"no balancing policy", nil, balance(""), "load_balancing_policy", "must be one of"},
		{"a negative overprovision", scaling, policy(func(p *serve.ReplicaPolicy) { p.NumOverprovision = -1 }), at + "num_overprovision", "0 or more"},
		{"a negative upscale delay", scaling, policy(func(p *serve.ReplicaPolicy) { p.UpscaleDelaySeconds = -1 }), at + "upscale_delay_seconds", "negative"},
		{"a downscale delay that is not a number", scaling, policy(func(p *serve.ReplicaPolicy) { p.DownscaleDelaySeconds = math.NaN() }), at + "downscale_delay_seconds", "not a finite number"},
		{"a negative base", spot, policy(func(p *serve.ReplicaPolicy) { p.BaseOndemandFallbackReplicas = -1 }), at + "base_ondemand_fallback_replicas", "0 or more"},
		{"a base beyond the maximum", spot, policy(func(p *serve.ReplicaPolicy) { p.BaseOndemandFallbackReplicas = 4 }), at + "base_ondemand_fallback_replicas", "more than max_replicas, which is 3"},
		{"a negative fallback delay", spot, policy(func(p *serve.ReplicaPolicy) {
			p.DynamicOndemandFallback, p.DynamicOndemandFallbackDelaySeconds = true, -1
		}), at + "dynamic_ondemand_fallback_delay_seconds", "negative"},
		{"a fallback delay without a fallback", spot, policy(func(p *serve.ReplicaPolicy) { p.DynamicOndemandFallbackDelaySeconds = 5 }), at + "dynamic_ondemand_fallback_delay_seconds", "no fallback to delay"},
		{"a placer in another case", spot, policy(func(p *serve.ReplicaPolicy) { p.SpotPlacer = "Dynamic_Fallback" }), at + "spot_placer", `did you mean "dynamic_fallback"?`},
	}
}
