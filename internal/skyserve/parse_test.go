// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/skyserve"
)

// sameService compares all that a caller can see.
func sameService() cmp.Option { return cmpopts.IgnoreUnexported(skyserve.Service{}) }

// parse reads YAML that must be accepted.
func parse(t *testing.T, yaml string) skyserve.Service {
	t.Helper()
	s, err := skyserve.Parse([]byte(yaml))
	if err != nil {
		t.Fatalf("the file was refused:\n%v", err)
	}
	return s
}

func TestParseTheExamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	rows := map[string]func(*serve.ReplicaPolicy){
		"base_ondemand_fallback.yaml":    func(p *serve.ReplicaPolicy) { p.BaseOndemandFallbackReplicas = 1 },
		"dynamic_ondemand_fallback.yaml": func(p *serve.ReplicaPolicy) { p.DynamicOndemandFallback = true },
	}
	for file, fallback := range rows {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			spot := true
			want := skyserve.Service{Spec: serve.NewSpec(""), WorkdirPath: "examples/serve/http_server"}
			want.ReadinessProbe.Path = "/health"
			want.ReplicaPolicy.MinReplicas, want.ReplicaPolicy.MaxReplicas = 2, 3
			want.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{Each: 1}
			fallback(&want.ReplicaPolicy)
			want.Resources.Resource = serve.Resource{Ports: "8081", CPUs: "2+", UseSpot: &spot}
			want.Run = "python3 server.py"

			got := parse(t, string(data))
			if diff := cmp.Diff(want, got, sameService()); diff != "" {
				t.Errorf("service (-want +got):\n%s", diff)
			}
			if got.Port() != 8081 {
				t.Errorf("the port is %d, want 8081", got.Port())
			}
		})
	}
}

// minimal is the least there can be, with room for more.
const minimal = `
service:
  readiness_probe: /health
resources:
  ports: 8080
run: serve
`

// with gives the minimal document with a part of it replaced.
func with(old, replacement string) string {
	if !strings.Contains(minimal, old) {
		panic("there is no " + old)
	}
	return strings.Replace(minimal, old, replacement, 1)
}

// service, policy, probe, resources and task give the minimal document with more lines.
func service(lines string) string {
	return with("  readiness_probe: /health\n", "  readiness_probe: /health\n"+indent(lines))
}

func policy(lines string) string { return service("replica_policy:\n" + indent(lines)) }

func probe(lines string) string {
	return with("  readiness_probe: /health\n", "  readiness_probe:\n"+indent(indent(lines)))
}

func resources(lines string) string { return with("  ports: 8080\n", "  ports: 8080\n"+indent(lines)) }

func task(lines string) string { return minimal + strings.TrimSuffix(lines, "\n") + "\n" }

func indent(lines string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n  ") + "\n"
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	yes := true
	qps := func(q serve.QPS) func(*skyserve.Service) {
		return func(s *skyserve.Service) {
			s.ReplicaPolicy = serve.NewSpec("").ReplicaPolicy
			s.ReplicaPolicy.MaxReplicas, s.ReplicaPolicy.TargetQPSPerReplica = 4, &q
		}
	}
	machine := func(change func(*serve.Resource)) func(*skyserve.Service) {
		return func(s *skyserve.Service) { change(&s.Resources.Resource) }
	}
	anyOf := func(entries ...serve.Resource) func(*skyserve.Service) {
		return func(s *skyserve.Service) { s.Resources.AnyOf = entries }
	}
	ordered := func(entries ...serve.Resource) func(*skyserve.Service) {
		return func(s *skyserve.Service) { s.Resources.Ordered = entries }
	}
	body := func(json string) func(*skyserve.Service) {
		return func(s *skyserve.Service) { s.ReadinessProbe.PostData = json }
	}
	rows := []struct {
		name string
		yaml string
		want func(*skyserve.Service)
	}{
		{"V5 V7 the least there can be: one replica and all defaults", minimal, func(*skyserve.Service) {}},
		{"no probe at all probes the root", "service: {replicas: 1}\nresources: {ports: 8080}\nrun: serve\n", func(s *skyserve.Service) { s.ReadinessProbe.Path = "/" }},
		{"a name", task("name: web"), func(s *skyserve.Service) { s.Name = "web" }},
		{"keys without a value at the outer levels", "service: {readiness_probe: /health, tls: null}\nresources: {ports: 8080, cpus: , any_of: ~}\nsetup:\nrun: serve\n", func(*skyserve.Service) {}},
		{"a plain number of replicas", service("replicas: 3"), func(s *skyserve.Service) { s.ReplicaPolicy = serve.FixedReplicas(3) }},
		{"a minimum alone is the maximum too", policy("min_replicas: 2"), func(s *skyserve.Service) {
			s.ReplicaPolicy = serve.NewSpec("").ReplicaPolicy
			s.ReplicaPolicy.MinReplicas, s.ReplicaPolicy.MaxReplicas = 2, 2
		}},
		{"every option of a policy", strings.Replace(policy("min_replicas: 0\nmax_replicas: 9\ntarget_qps_per_replica: 0.5\nnum_overprovision: 1\nupscale_delay_seconds: 20\ndownscale_delay_seconds: 40.5\nbase_ondemand_fallback_replicas: 2\ndynamic_ondemand_fallback: on\nspot_placer: dynamic_fallback"), "ports: 8080", "ports: 8080\n  use_spot: true", 1), func(s *skyserve.Service) {
			s.Resources.UseSpot = &yes
			s.ReplicaPolicy = serve.ReplicaPolicy{
				MinReplicas: 0, MaxReplicas: 9, TargetQPSPerReplica: &serve.QPS{Each: 0.5}, NumOverprovision: 1, UpscaleDelaySeconds: 20,
				DownscaleDelaySeconds: 40.5, BaseOndemandFallbackReplicas: 2, DynamicOndemandFallback: true, SpotPlacer: serve.DynamicFallbackPlacer,
			}
		}},
		{"a target for each accelerator", service("load_balancing_policy: instance_aware_least_load\nreplica_policy: {min_replicas: 1, max_replicas: 4, target_qps_per_replica: {A100-80GB: 2.5, 'L4:2': 1}}"), func(s *skyserve.Service) {
			qps(serve.QPS{PerAccelerator: map[string]float64{"A100-80GB": 2.5, "L4:2": 1}})(s)
			s.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
		}},
		{"V8 probe timings of one's own", probe("path: /p\nendpoint_probe_interval_seconds: 7\nconsecutive_failure_threshold_timeout: 45\ninitial_delay_seconds: 60\ntimeout_seconds: 2.5"), func(s *skyserve.Service) {
			s.ReadinessProbe = serve.ReadinessProbe{Path: "/p", EndpointProbeIntervalSeconds: 7, ConsecutiveFailureThresholdTimeout: 45, InitialDelaySeconds: 60, TimeoutSeconds: 2.5}
		}},
		{"headers for the probe", probe("path: /health\nheaders: {X-A: b}"), func(s *skyserve.Service) { s.ReadinessProbe.Headers = map[string]string{"X-A": "b"} }},
		{"V10 post data as JSON", probe("path: /health\npost_data: ' {\"b\" : [1.0, \"<x>\"], \"a\":1} '"), body(`{"a":1,"b":[1.0,"<x>"]}`)},
		{"post data as a mapping", probe("path: /health\npost_data:\n  model: $MODEL\n  max_tokens: 1\n  messages: [{role: user, content: '${MODEL}?'}]") + "envs: {MODEL: llama}\n", func(s *skyserve.Service) {
			body(`{"max_tokens":1,"messages":[{"content":"llama?","role":"user"}],"model":"llama"}`)(s)
			s.Envs = map[string]string{"MODEL": "llama"}
		}},
		{"V9 a stream timeout", service("load_balancer: {stream_timeout_seconds: 240}"), func(s *skyserve.Service) { s.LoadBalancer.StreamTimeoutSeconds = 240 }},
		{"V17 TLS", service("tls: {keyfile: ~/k.pem, certfile: c.pem}"), func(s *skyserve.Service) {
			s.TLSFiles = &skyserve.TLSFiles{Keyfile: "~/k.pem", Certfile: "c.pem"}
		}},
		{"V15 two ports, one for traffic", strings.Replace(service("ports: 8091"), "ports: 8080", "ports: [8080, '8090-8099', \"8091\"]", 1), func(s *skyserve.Service) {
			s.Ports, s.Resources.Ports = 8091, "8080,8090-8099,8091"
		}},
		{"the numbers of a machine", resources("cpus: 4\nmemory: 32+\ndisk_size: 100GB\nmax_hourly_cost: 2"), machine(func(r *serve.Resource) { r.CPUs, r.Memory, r.DiskSize, r.MaxHourlyCost = "4", "32+", "100GB", 2 })},
		{"half a processor and memory in text", resources("cpus: 0.5\nmemory: '16'\ndisk_size: 1e2"), machine(func(r *serve.Resource) { r.CPUs, r.Memory, r.DiskSize = "0.5", "16", "100" })},
		{"the words of a machine", resources("cloud: AWS\nregion: us-east-1\nzone: us-east-1a\ninstance_type: m5.large\ndisk_tier: high\nimage_id: docker:nginx\nlabels: {team: x}"), machine(func(r *serve.Resource) {
			*r = serve.Resource{Cloud: "AWS", Region: "us-east-1", Zone: "us-east-1a", InstanceType: "m5.large", DiskTier: "high", ImageID: "docker:nginx", Labels: map[string]string{"team": "x"}, Ports: r.Ports}
		})},
		{"spot in the words of YAML 1.1", resources("use_spot: Yes"), machine(func(r *serve.Resource) { r.UseSpot = &yes })},
		{"one accelerator", resources("accelerators: A100:8"), machine(func(r *serve.Resource) { r.Accelerators = "A100:8" })},
		{"one accelerator as a mapping", resources("accelerators: {A100: 8}"), machine(func(r *serve.Resource) { r.Accelerators = "A100:8" })},
		{"one accelerator as a list", resources("accelerators: [L4]"), machine(func(r *serve.Resource) { r.Accelerators = "L4" })},
		{"several accelerators as a mapping are a choice", resources("accelerators: {A100: 8, L4: 0.5}"), anyOf(serve.Resource{Accelerators: "A100:8"}, serve.Resource{Accelerators: "L4:0.5"})},
		{"several accelerators as a set are a choice", resources("accelerators: {A100:8, L4}"), anyOf(serve.Resource{Accelerators: "A100:8"}, serve.Resource{Accelerators: "L4"})},
		{"several accelerators as a list are in order", resources("accelerators: ['A100:8', L4]"), ordered(serve.Resource{Accelerators: "A100:8"}, serve.Resource{Accelerators: "L4"})},
		{"several accelerators in several places", resources("accelerators: {A100, L4}\nany_of:\n  - infra: aws\n  - {infra: gcp, accelerators: {T4, P100}}\n  - {infra: k8s, accelerators: H100}"), anyOf(
			serve.Resource{Infra: "aws", Accelerators: "A100"}, serve.Resource{Infra: "aws", Accelerators: "L4"},
			serve.Resource{Infra: "gcp", Accelerators: "T4"}, serve.Resource{Infra: "gcp", Accelerators: "P100"},
			serve.Resource{Infra: "k8s", Accelerators: "H100"},
		)},
		{"alternatives in an order", resources("ordered:\n- {infra: aws/us-east-1, use_spot: true}\n- {infra: gcp, use_spot: true}"), ordered(serve.Resource{Infra: "aws/us-east-1", UseSpot: &yes}, serve.Resource{Infra: "gcp", UseSpot: &yes})},
		{"variables of every type, as written", task("envs: {A: text, B: 1.0, C: true, D: '', E: 0x10, F: 2026-01-02}"), func(s *skyserve.Service) {
			s.Envs = map[string]string{"A": "text", "B": "1.0", "C": "true", "D": "", "E": "0x10", "F": "2026-01-02"}
		}},
		{"secrets", task("secrets: {TOKEN: xyz}"), func(s *skyserve.Service) { s.Secrets = map[string]string{"TOKEN": "xyz"} }},
		{"variables in paths, but not in scripts", task("envs: {A: x, B: '$A'}\nworkdir: d/${A}/$NOPE/$/${A\nfile_mounts: {/m/$A: ./$A.bin}\nsetup: echo $A"), func(s *skyserve.Service) {
			s.Envs = map[string]string{"A": "x", "B": "$A"}
			s.WorkdirPath = "d/x/$NOPE/$/${A"
			s.MountPaths = map[string]string{"/m/x": "./x.bin"}
			s.Setup = "echo $A"
		}},
		{"one node", task("num_nodes: 1"), func(*skyserve.Service) {}},
		{"anchors and merges", task("envs: &common {A: '1', B: &b '2'}\nsecrets: {C: *b}\nfile_mounts:\n  <<: [{/m: ./m}, {/m: ./n, /n: ./n}]\n  /m: ./own"), func(s *skyserve.Service) {
			s.Envs = map[string]string{"A": "1", "B": "2"}
			s.Secrets = map[string]string{"C": "2"}
			s.MountPaths = map[string]string{"/m": "./own", "/n": "./n"}
		}},
		{"alternatives that share their lines", resources("any_of:\n- &small {cpus: 2, region: us-east-1, cloud: aws}\n- {<<: *small, region: us-west-2}"), anyOf(
			serve.Resource{CPUs: "2", Cloud: "aws", Region: "us-east-1"}, serve.Resource{CPUs: "2", Cloud: "aws", Region: "us-west-2"},
		)},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			want := skyserve.Service{Spec: serve.NewSpec("")}
			want.ReadinessProbe.Path = "/health"
			want.ReplicaPolicy = serve.FixedReplicas(1)
			want.Resources.Ports = "8080"
			want.Run = "serve"
			row.want(&want)
			got := parse(t, row.yaml)
			if diff := cmp.Diff(want, got, sameService()); diff != "" {
				t.Errorf("service (-want +got):\n%s\n%s", diff, row.yaml)
			}
			again, err := skyserve.Format(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, parse(t, string(again)), sameService()); diff != "" {
				t.Errorf("after a round trip (-want +got):\n%s\n%s", diff, again)
			}
		})
	}
}
