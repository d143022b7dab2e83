// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0a", 32)
	certificate, key := selfSigned(t)
	rows := []struct {
		name string
		spec func(*serve.Spec)
	}{
		{"V5 a spec of nothing but the defaults, a port and a command", func(*serve.Spec) {}},
		{"a name of one letter", func(s *serve.Spec) { s.Name = "a" }},
		{"a name with every kind of character", func(s *serve.Spec) { s.Name = "My_web-1.x" }},
		{"a name of 63 characters", func(s *serve.Spec) { s.Name = strings.Repeat("a", 63) }},
		{"V7 a probe with a path", func(s *serve.Spec) { s.ReadinessProbe.Path = "/health?deep=1" }},
		{"V10 a probe with a JSON body", func(s *serve.Spec) { s.ReadinessProbe.PostData = `{"a":1}` }},
		{"a probe with headers", func(s *serve.Spec) {
			s.ReadinessProbe.Headers = map[string]string{"Authorization": "Bearer x", "X-Y": ""}
		}},
		{"no grace and no patience", func(s *serve.Spec) {
			s.ReadinessProbe.InitialDelaySeconds, s.ReadinessProbe.ConsecutiveFailureThresholdTimeout = 0, 0
		}},
		{"no replica", func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(0) }},
		{"five replicas", func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(5) }},
		{"scaling from zero", func(s *serve.Spec) {
			*s = scaling()
			s.ReplicaPolicy.MinReplicas = 0
		}},
		{"both fallbacks with a placer on spot", func(s *serve.Spec) {
			*s = spot()
			s.ReplicaPolicy.BaseOndemandFallbackReplicas = 3
			s.ReplicaPolicy.DynamicOndemandFallback = true
			s.ReplicaPolicy.DynamicOndemandFallbackDelaySeconds = 30
			s.ReplicaPolicy.SpotPlacer = serve.DynamicFallbackPlacer
			s.ReplicaPolicy.NumOverprovision = 2
			s.Resources.AnyOf = []serve.Resource{{Infra: "aws/us-east-1"}, {Infra: "gcp"}, {Infra: "k8s/team/context"}}
		}},
		{"a base above the minimum", func(s *serve.Spec) {
			*s = spot()
			s.ReplicaPolicy.BaseOndemandFallbackReplicas = 3
		}},
		{"targets for accelerators SkyServe cannot name", func(s *serve.Spec) {
			*s = scaling()
			s.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
			s.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{PerAccelerator: map[string]float64{"A100-80GB:8": 2.5, "A10g": 0.5}}
		}},
		{"alternatives that are all spot", func(s *serve.Spec) {
			s.Resources.AnyOf = []serve.Resource{{UseSpot: yes()}, {UseSpot: yes()}}
		}},
		{"alternatives that are all on-demand, said in two ways", func(s *serve.Spec) {
			s.Resources.Ordered = []serve.Resource{{UseSpot: no()}, {}}
		}},
		{"every field of a machine", func(s *serve.Spec) {
			s.Resources.Resource = serve.Resource{
				Cloud: "AWS", Region: "us-gov-west-1", Zone: "us-gov-west-1a", InstanceType: "m5.large", CPUs: "2+", Memory: "32GB+",
				Accelerators: "A100-80GB:0.5", DiskSize: "1TB", DiskTier: "best", ImageID: "ami-0abc", Ports: "8081",
				Labels: map[string]string{"Team Name": "x y"}, MaxHourlyCost: 1.5,
			}
		}},
		{"any region of AWS and one of anybody's", func(s *serve.Spec) {
			s.Resources.AnyOf = []serve.Resource{{Infra: "aws/*/us-east-1a"}, {Infra: "*/us-east1"}, {Infra: "*"}, {Infra: "GCP/europe-west12"}, {Infra: "local"}}
		}},
		{"node labels and tolerations", func(s *serve.Spec) {
			s.Resources.Kubernetes = &serve.KubernetesOptions{
				NodeSelector: map[string]string{"example.com/disk": "fast", "gpu": ""},
				Tolerations: []serve.Toleration{
					{Operator: "Exists"}, {Key: "gpu", Value: "a100", Effect: "NoSchedule"}, {Key: "example.com/x", Operator: "Exists"},
				},
			}
		}},
		{"labels by the rules of each cloud", func(s *serve.Spec) {
			s.Resources.AnyOf = []serve.Resource{
				{Infra: "gcp", Labels: map[string]string{"team_a": "x-1"}},
				{Infra: "kubernetes", Labels: map[string]string{"example.com/team": "X.y"}},
				{Infra: "aws", Labels: map[string]string{"Team": "a b:c"}},
			}
		}},
		{"V15 two ports and one of them for traffic", func(s *serve.Spec) { s.Resources.Ports, s.Ports = "8080, 8081", 8080 }},
		{"a traffic port within a range", func(s *serve.Spec) { s.Resources.Ports, s.Ports = "8000-9000", 8081 }},
		{"the same port said twice", func(s *serve.Spec) { s.Resources.Ports = "8080,8080-8080" }},
		{"certificates that an authority issues", func(s *serve.Spec) {
			s.TLS = &serve.TLS{ACME: &serve.ACME{Domains: []string{"a-1.example.com", "xn--bcher-kva.example"}, AgreeToTerms: true, Email: "a+b@example.com", DirectoryURL: "https://ca.example.com:8443/acme/directory"}}
		}},
		{"V17 a certificate with its key", func(s *serve.Spec) { s.TLS = &serve.TLS{Certificate: certificate, Key: key} }},
		{"files, variables and secrets", func(s *serve.Spec) {
			s.Workdir = digest
			s.FileMounts = map[string]string{"/data": digest, "~/conf": digest, "model/x..y": digest}
			s.Setup = "true"
			s.Envs = map[string]string{"_A1": "", "PORTS": "x"}
			s.Secrets = map[string]string{"TOKEN": ""}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := valid()
			row.spec(&s)
			if es := s.Validate(); len(es) != 0 {
				t.Errorf("got errors:\n%v", es)
			}
			if s.Port() == 0 {
				t.Error("a valid spec must have an ingress port")
			}
		})
	}
}

func TestValidateTLS(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	_, other := selfSigned(t)
	rows := []struct {
		name string
		tls  serve.TLS
		path string
		says string
	}{
		{"a certificate that is given and issued", serve.TLS{Certificate: certificate, Key: key, ACME: &serve.ACME{}}, "tls.acme", "leave one of them out"},
		{"nothing in it", serve.TLS{}, "tls.certificate", "a certificate and its key"},
		{"V17 only a key", serve.TLS{Key: key}, "tls.certificate", "the certificate of the key"},
		{"V17 only a certificate, as in a redacted spec", serve.TLS{Certificate: certificate}, "tls.key", "the key of the certificate"},
		{"the key of another certificate", serve.TLS{Certificate: certificate, Key: other}, "tls.certificate", "cannot be used together"},
		{"a certificate that is not PEM", serve.TLS{Certificate: "cert.pem", Key: key}, "tls.certificate", "cannot be used together"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := valid()
			s.TLS = &row.tls
			es := s.Validate()
			if len(es) != 1 || es[0].Path != row.path || !strings.Contains(es[0].Message, row.says) {
				t.Errorf("got %v, want one error at %q with %q", es, row.path, row.says)
			}
		})
	}
}

func TestValidateFindsEveryMistake(t *testing.T) {
	t.Parallel()
	var s serve.Spec
	s.ReplicaPolicy = serve.ReplicaPolicy{MinReplicas: 3, MaxReplicas: 2, DynamicOndemandFallback: true}
	s.Resources.AnyOf = []serve.Resource{{CPUs: "x", Infra: "moon"}, {UseSpot: no(), Ports: "y"}}
	var paths []string
	for _, e := range s.Validate() {
		paths = append(paths, e.Path)
	}
	want := []string{
		"name", "readiness_probe.path", "readiness_probe.timeout_seconds", "readiness_probe.endpoint_probe_interval_seconds",
		"replica_policy.max_replicas", "load_balancer.stream_timeout_seconds", "load_balancing_policy",
		"resources.any_of[0].infra", "resources.any_of[0].cpus", "resources.any_of[1].ports",
		"resources.use_spot", "resources.any_of[1].use_spot", "run",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if err := s.Validate().Err(); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("the errors must be ErrInvalid, got %v", err)
	}
}

func TestValidateNamesWhatItLookedAt(t *testing.T) {
	t.Parallel()
	s := valid()
	s.ReplicaPolicy.BaseOndemandFallbackReplicas = 1
	s.Resources.AnyOf = []serve.Resource{{UseSpot: yes()}, {UseSpot: no()}}
	want := serve.FieldErrors{{
		Path: "resources.any_of[1].use_spot",
		Related: []string{
			"resources.any_of", "resources.ordered", "resources.use_spot",
			"replica_policy.dynamic_ondemand_fallback", "replica_policy.base_ondemand_fallback_replicas",
		},
		Message: "The replicas are on-demand already, and on-demand fallback is for spot replicas: set use_spot to true.",
	}}
	if diff := cmp.Diff(want, s.Validate()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// FuzzValidate feeds specs as a client of the API might: whatever decodes must
// be judged without a panic, and twice the same way.
func FuzzValidate(f *testing.F) {
	for _, m := range slices.Concat(nameMistakes(), policyMistakes(), balancerMistakes(), updateMistakes(), scheduleMistakes(), marketMistakes(), resourceMistakes(), placeMistakes(), portMistakes(), taskMistakes()) {
		s := valid()
		if m.spec != nil {
			s = m.spec()
		}
		m.spoil(&s)
		if data, err := json.Marshal(s); err == nil { // NaN has no JSON
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s serve.Spec
		if json.Unmarshal(data, &s) != nil {
			t.Skip("not a spec")
		}
		es := s.Validate()
		for _, e := range es {
			if e.Path == "" || e.Message == "" {
				t.Errorf("an error without path or message: %+v", e)
			}
		}
		if diff := cmp.Diff(es, s.Validate()); diff != "" {
			t.Errorf("judged differently the second time:\n%s", diff)
		}
		if port := s.Port(); len(es) == 0 && (port < 1 || port > 65535) {
			t.Errorf("valid, but the port is %d", port)
		}
	})
}

// selfSigned makes a certificate and its key, both in PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}
