// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestParseLocation(t *testing.T) {
	t.Parallel()
	rows := []struct {
		infra string
		want  serve.Location
		text  string
	}{
		{"", serve.Location{}, "*"},
		{"*", serve.Location{}, "*"},
		{"aws", serve.Location{Cloud: "aws"}, "aws"},
		{"AWS/us-east-1", serve.Location{Cloud: "aws", Region: "us-east-1"}, "aws/us-east-1"},
		{"aws/us-east-1/us-east-1a", serve.Location{Cloud: "aws", Region: "us-east-1", Zone: "us-east-1a"}, "aws/us-east-1/us-east-1a"},
		{"aws/*/us-east-1a", serve.Location{Cloud: "aws", Zone: "us-east-1a"}, "aws/*/us-east-1a"},
		{"*/us-east-1", serve.Location{Region: "us-east-1"}, "*/us-east-1"},
		{"k8s/my-context", serve.Location{Cloud: "kubernetes", Region: "my-context"}, "kubernetes/my-context"},
	}
	for _, row := range rows {
		got := serve.ParseLocation(row.infra)
		if got != row.want || got.String() != row.text {
			t.Errorf("ParseLocation(%q) = %+v, %q; want %+v, %q", row.infra, got, got.String(), row.want, row.text)
		}
		if again := serve.ParseLocation(got.String()); again != got {
			t.Errorf("reading %q again gives %+v, not %+v", got.String(), again, got)
		}
	}
}

func TestLocationContains(t *testing.T) {
	t.Parallel()
	rows := []struct {
		outer, inner string
		want         bool
	}{
		{"*", "aws/us-east-1", true},
		{"aws", "aws/us-east-1/us-east-1a", true},
		{"aws/us-east-1", "aws/us-east-1", true},
		{"aws/us-east-1", "aws/us-east-2", false},
		{"aws/us-east-1", "aws", false},
		{"aws/*/us-east-1a", "aws/us-east-1/us-east-1a", true},
		{"gcp", "aws", false},
	}
	for _, row := range rows {
		if got := serve.ParseLocation(row.outer).Contains(serve.ParseLocation(row.inner)); got != row.want {
			t.Errorf("%s contains %s: got %v, want %v", row.outer, row.inner, got, row.want)
		}
	}
}

func TestEntriesInherit(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name      string
		resources serve.Resources
		want      []serve.Resource
	}{
		{
			"no alternative is the outer description alone",
			serve.Resources{Resource: serve.Resource{CPUs: "2+"}},
			[]serve.Resource{{CPUs: "2+"}},
		},
		{
			"what an entry leaves out comes from outside, what it says stays",
			serve.Resources{Resource: serve.Resource{CPUs: "2+", Memory: "8", UseSpot: yes(), Ports: "80"}, AnyOf: []serve.Resource{{CPUs: "4"}, {UseSpot: no()}}},
			[]serve.Resource{{CPUs: "4", Memory: "8", UseSpot: yes(), Ports: "80"}, {CPUs: "2+", Memory: "8", UseSpot: no(), Ports: "80"}},
		},
		{
			"labels are merged, the inner ones winning",
			serve.Resources{Resource: serve.Resource{Labels: map[string]string{"a": "1", "b": "1"}}, Ordered: []serve.Resource{{Labels: map[string]string{"b": "2"}}, {}}},
			[]serve.Resource{{Labels: map[string]string{"a": "1", "b": "2"}}, {Labels: map[string]string{"a": "1", "b": "1"}}},
		},
		{
			"an infra replaces the outer place whole",
			serve.Resources{Resource: serve.Resource{Infra: "aws/us-east-1"}, AnyOf: []serve.Resource{{Infra: "gcp"}, {}}},
			[]serve.Resource{{Infra: "gcp"}, {Infra: "aws/us-east-1"}},
		},
		{
			"a region refines the outer cloud and drops its zone",
			serve.Resources{Resource: serve.Resource{Cloud: "aws", Region: "us-east-1", Zone: "us-east-1a"}, AnyOf: []serve.Resource{{Region: "us-west-2"}}},
			[]serve.Resource{{Cloud: "aws", Region: "us-west-2"}},
		},
		{
			"another cloud inherits neither region nor zone",
			serve.Resources{Resource: serve.Resource{Cloud: "aws", Region: "us-east-1", Zone: "us-east-1a"}, AnyOf: []serve.Resource{{Cloud: "gcp"}}},
			[]serve.Resource{{Cloud: "gcp"}},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			before := string(encode(t, row.resources))
			if diff := cmp.Diff(row.want, row.resources.Entries()); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if after := string(encode(t, row.resources)); after != before {
				t.Errorf("the resources were changed from %s to %s", before, after)
			}
		})
	}
}

func TestTaskDigest(t *testing.T) {
	t.Parallel()
	original := func() serve.Spec {
		s := spot()
		s.Envs = map[string]string{"A": "1"}
		s.Resources.AnyOf = []serve.Resource{{Infra: "aws"}, {Infra: "gcp"}}
		s.Resources.Ordered = nil
		return s
	}
	rows := []struct {
		name   string
		change func(*serve.Spec)
		same   bool
	}{
		{"nothing changed", func(*serve.Spec) {}, true},
		{"U1 another number of replicas", func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(3) }, true},
		{"another probe and balancing", func(s *serve.Spec) {
			s.ReadinessProbe.Path = "/x"
			s.LoadBalancingPolicy = serve.RoundRobin
		}, true},
		{"U3 any_of in another order", func(s *serve.Spec) { s.Resources.AnyOf = []serve.Resource{{Infra: "gcp"}, {Infra: "aws"}} }, true},
		{"U2 another variable", func(s *serve.Spec) { s.Envs = map[string]string{"A": "2"} }, false},
		{"another secret", func(s *serve.Spec) { s.Secrets = map[string]string{"T": "x"} }, false},
		{"another command", func(s *serve.Spec) { s.Run = "true" }, false},
		{"another machine", func(s *serve.Spec) { s.Resources.CPUs = "8" }, false},
		{"one alternative fewer", func(s *serve.Spec) { s.Resources.AnyOf = s.Resources.AnyOf[:1] }, false},
		{"the alternatives in an order of preference", func(s *serve.Spec) { s.Resources.AnyOf, s.Resources.Ordered = nil, s.Resources.AnyOf }, false},
	}
	form := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := original()
			row.change(&s)
			got := s.Digest()
			if !form.MatchString(got) {
				t.Errorf("%q is not a digest", got)
			}
			if same := got == original().Digest(); same != row.same {
				t.Errorf("same digest: got %v, want %v", same, row.same)
			}
		})
	}
}

func TestTaskDigestCountsTheOrderOfPreference(t *testing.T) {
	t.Parallel()
	var a, b serve.Task
	a.Resources.Ordered = []serve.Resource{{Infra: "aws"}, {Infra: "gcp"}}
	b.Resources.Ordered = []serve.Resource{{Infra: "gcp"}, {Infra: "aws"}}
	if a.Digest() == b.Digest() {
		t.Error("the order of ordered must matter")
	}
	c := serve.Task{Resources: serve.Resources{AnyOf: []serve.Resource{{Infra: "gcp"}, {Infra: "aws"}}}}
	if c.Digest(); c.Resources.AnyOf[0].Infra != "gcp" {
		t.Error("the digest must not sort what it looks at")
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	s := valid()
	s.TLS = &serve.TLS{Certificate: "cert", Key: "very secret", ACME: &serve.ACME{Email: "a@example.com"}}
	s.Envs = map[string]string{"SHOWN": "value"}
	s.Secrets = map[string]string{"TOKEN": "very secret"}
	want := s
	want.TLS = &serve.TLS{Certificate: "cert", ACME: &serve.ACME{Email: "a@example.com"}}
	want.Secrets = map[string]string{"TOKEN": ""}
	if diff := cmp.Diff(want, s.Redacted()); diff != "" {
		t.Errorf("redacted (-want +got):\n%s", diff)
	}
	if s.TLS.Key != "very secret" || s.Secrets["TOKEN"] != "very secret" {
		t.Error("the spec itself must keep its secrets")
	}
	if diff := cmp.Diff(valid(), valid().Redacted()); diff != "" {
		t.Errorf("a spec without secrets is changed (-want +got):\n%s", diff)
	}
}

func TestSpecJSON(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		qps  *serve.QPS
		want string
	}{
		{"no target", nil, `null`},
		{"one target for all", &serve.QPS{Each: 2.5}, `2.5`},
		{"a target for each accelerator", &serve.QPS{PerAccelerator: map[string]float64{"A100": 2, "L4": 0.5}}, `{"A100":2,"L4":0.5}`},
		{"a target for none", &serve.QPS{PerAccelerator: map[string]float64{}}, `{}`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := string(encode(t, row.qps)); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			s := spot()
			s.Resources.AnyOf = []serve.Resource{{Infra: "aws", UseSpot: no()}}
			s.ReplicaPolicy.TargetQPSPerReplica = row.qps
			var back serve.Spec
			if err := json.Unmarshal(encode(t, s), &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s, back); diff != "" {
				t.Errorf("after a round trip (-want +got):\n%s", diff)
			}
		})
	}
	var q serve.QPS
	if err := json.Unmarshal([]byte(`"fast"`), &q); err == nil {
		t.Error("a word is not a target")
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	rows := map[float64]time.Duration{0: 0, 0.001: time.Millisecond, 1.5: 1500 * time.Millisecond, 1200: 20 * time.Minute, 1e9: 1e9 * time.Second}
	for s, want := range rows {
		if got := serve.Seconds(s); got != want {
			t.Errorf("Seconds(%v) = %v, want %v", s, got, want)
		}
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
