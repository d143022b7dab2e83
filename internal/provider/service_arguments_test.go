// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// rich is a spec with a value that is not the default in every field.
func rich() serve.Spec {
	yes, no := true, false
	s := serve.NewSpec("web")
	s.ReadinessProbe = serve.ReadinessProbe{
		Path: "/health", PostData: "{}", Headers: map[string]string{"A": "b"}, InitialDelaySeconds: 1.5,
		TimeoutSeconds: 2.5, EndpointProbeIntervalSeconds: 3.5, ConsecutiveFailureThresholdTimeout: 4.5,
	}
	s.ReplicaPolicy = serve.ReplicaPolicy{
		MinReplicas: 2, MaxReplicas: 5, TargetQPSPerReplica: &serve.QPS{PerAccelerator: map[string]float64{"A100": 0.1}},
		NumOverprovision: 1, UpscaleDelaySeconds: 2, DownscaleDelaySeconds: 3, BaseOndemandFallbackReplicas: 1,
		DynamicOndemandFallback: true, DynamicOndemandFallbackDelaySeconds: 4, SpotPlacer: serve.DynamicFallbackPlacer,
	}
	s.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
	s.UpdateMode = serve.BlueGreen
	s.Rollback = serve.Rollback{BakeSeconds: 30, MaxFailures: 7}
	s.LoadBalancer.StreamTimeoutSeconds = 240
	s.Ports = 8080
	s.TLS = &serve.TLS{ACME: &serve.ACME{Domains: []string{"a.example.com", "b.example.com"}, AgreeToTerms: true, Email: "a@example.com", DirectoryURL: "https://ca.example.com"}}
	s.Resources = serve.Resources{
		Resource: serve.Resource{
			InstanceType: "m5", CPUs: "2+", Memory: "4", Accelerators: "A100:1", UseSpot: &yes, DiskSize: "100",
			DiskTier: "high", ImageID: "docker:x", Ports: "8080-8090", Labels: map[string]string{"a": "b"}, MaxHourlyCost: 1.1,
			Kubernetes: &serve.KubernetesOptions{
				NodeSelector: map[string]string{"pool": "gpu"},
				Tolerations:  []serve.Toleration{{Key: "gpu", Operator: "Equal", Value: "yes", Effect: "NoSchedule"}, {Operator: "Exists"}},
			},
		},
		AnyOf:   []serve.Resource{{Infra: "local/here"}, {UseSpot: &no, Kubernetes: &serve.KubernetesOptions{}}},
		Ordered: []serve.Resource{{Cloud: "aws", Region: "us-east-1", Zone: "us-east-1a"}},
	}
	s.Workdir = "sha256:1"
	s.FileMounts = map[string]string{"/a": "sha256:2"}
	s.Setup, s.Run = "setup", "run"
	s.Envs = map[string]string{"A": "b"}
	return s
}

// imported gives the model that an import makes of a spec.
func imported(t *testing.T, s serve.Spec) serviceModel {
	t.Helper()
	m := serviceModel{Name: types.StringValue(s.Name)}
	if diags := m.refresh(t.Context(), s); diags.HasError() {
		t.Fatal(diags)
	}
	return m
}

// back gives the spec that a model asks for.
func back(t *testing.T, m serviceModel) serve.Spec {
	t.Helper()
	s, diags := m.spec(t.Context())
	if diags.HasError() {
		t.Fatal(diags)
	}
	return s
}

func TestASpecSurvivesTheWayThroughState(t *testing.T) {
	t.Parallel()
	minimal := serve.NewSpec("web")
	minimal.ReplicaPolicy = serve.FixedReplicas(3)
	minimal.Run = "run"
	no := false
	minimal.Resources.UseSpot = &no
	for what, s := range map[string]serve.Spec{"rich": rich(), "minimal": minimal} {
		if diff := cmp.Diff(s, back(t, imported(t, s))); diff != "" {
			t.Errorf("the %s spec is not the same (-before +after):\n%s", what, diff)
		}
	}
}

func TestARefreshTakesOverWhatSomebodyElseChanged(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*serve.Spec){
		"number of replicas": func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(4) },
		"policy":             func(s *serve.Spec) { s.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{Each: 2} },
		"probe":              func(s *serve.Spec) { s.ReadinessProbe.Path = "/other" },
		"stream timeout":     func(s *serve.Spec) { s.LoadBalancer.StreamTimeoutSeconds++ },
		"balancing":          func(s *serve.Spec) { s.LoadBalancingPolicy = serve.RoundRobin },
		"rollback":           func(s *serve.Spec) { s.Rollback.Enabled = true },
		"update mode":        func(s *serve.Spec) { s.UpdateMode = serve.Rolling },
		"port":               func(s *serve.Spec) { s.Ports = 0 },
		"resources":          func(s *serve.Spec) { s.Resources.AnyOf = nil },
		"labels of nodes":    func(s *serve.Spec) { s.Resources.Kubernetes = nil },
		"tolerations": func(s *serve.Spec) {
			s.Resources.Kubernetes = &serve.KubernetesOptions{Tolerations: []serve.Toleration{{Key: "a"}}}
		},
		"setup":             func(s *serve.Spec) { s.Setup = "" },
		"run":               func(s *serve.Spec) { s.Run = "sleep" },
		"envs":              func(s *serve.Spec) { s.Envs = nil },
		"working directory": func(s *serve.Spec) { s.Workdir = "" },
		"mounts":            func(s *serve.Spec) { s.FileMounts = map[string]string{"/b": "sha256:3"} },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := imported(t, rich())
			changed := rich()
			change(&changed)
			if diags := m.refresh(t.Context(), changed); diags.HasError() {
				t.Fatal(diags)
			}
			if diff := cmp.Diff(changed, back(t, m)); diff != "" {
				t.Errorf("the state asks for something else (-service +state):\n%s", diff)
			}
		})
	}
}

func TestARefreshKeepsTheUsersSpelling(t *testing.T) {
	t.Parallel()
	s := rich()
	m := imported(t, s)
	m.Workdir = types.StringValue("./app")
	m.Envs = types.MapValueMust(types.StringType, nil)
	m.Setup = types.StringValue("")
	before := m
	s.Envs, s.Setup = nil, ""
	if diags := m.refresh(t.Context(), s); diags.HasError() {
		t.Fatal(diags)
	}
	if !m.Envs.Equal(before.Envs) || !m.Setup.Equal(before.Setup) || !m.Workdir.Equal(before.Workdir) {
		t.Errorf("envs, setup and workdir became %s, %s and %s", m.Envs, m.Setup, m.Workdir)
	}
}

func TestNoNodesInParticularIsTheSameAsNothing(t *testing.T) {
	t.Parallel()
	s := rich()
	s.Resources.Kubernetes = nil
	m := imported(t, s)
	r := resourcesObject(s.Resources).Attributes()
	r["kubernetes"] = nodesObject(&serve.KubernetesOptions{})
	m.Resources = types.ObjectValueMust(attributeTypes(resourcesAttributes()), r)
	before := m.Resources
	if diags := m.refresh(t.Context(), s); diags.HasError() {
		t.Fatal(diags)
	}
	if !m.Resources.Equal(before) {
		t.Errorf("the resources became %s", m.Resources)
	}
}
