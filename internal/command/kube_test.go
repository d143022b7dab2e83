// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The seed's tip: some replicas run on Kubernetes and count as on-demand ones,
// while the others run on spot machines elsewhere. One resource, one endpoint.
func TestAccSpotHereAndOnDemandInACluster(t *testing.T) {
	config, registry := os.Getenv("SERVE_TEST_KUBECONFIG"), os.Getenv("SERVE_TEST_REGISTRY")
	if config == "" || os.Getenv("SERVE_TEST_NODE") == "" {
		t.Skip("needs a cluster with a real node: make test-kube starts one")
	}
	config = withContexts(t, config)
	t.Setenv("KUBECONFIG", config)
	w := newWorkspace(t)
	write := func(base int) {
		text := fmt.Sprintf(`
terraform {
  required_providers { serve = { source = "serve-infra/serve" } }
}
resource "serve_service" "web" {
  name            = "mixed"
  readiness_probe = { path = "/health", endpoint_probe_interval_seconds = 0.2 }
  replica_policy = {
    min_replicas                    = 2
    max_replicas                    = 2
    base_ondemand_fallback_replicas = %d
    dynamic_ondemand_fallback       = true
  }
  resources = {
    ports    = 8081
    use_spot = true
    any_of = [
      { infra = "local" },
      { infra = "kubernetes", image_id = "docker:%s/web:1", cpus = "0.1", memory = "0.1" },
    ]
  }
  run = <<-EOT
    mkdir -p site && echo "$HOST" > site/health
    if command -v python3 >/dev/null; then exec python3 -m http.server -d site -b "$HOST" "$PORT"; fi
    exec httpd -f -p "$PORT" -h site
  EOT
}
`, base, registry)
		if err := os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	w.must(0, "apply", "-auto-approve")
	pods := kube.NewCloud(kube.CloudOptions{
		Config: kube.Config{Path: config, Context: "test"},
		Scope:  func() (string, error) { return local.Identity(w.home) },
	})
	inCluster := func(want int) []serve.Instance {
		t.Helper()
		list, err := pods.List(t.Context(), "mixed")
		if err != nil || len(list) != want {
			t.Fatalf("there are %d pods, %v; want %d", len(list), err, want)
		}
		return list
	}
	found, _, err := (&Program{}).find(t.Context(), place{home: w.home}, "mixed")
	if err != nil {
		t.Fatal(err)
	}
	s := await(t, found, "one on-demand replica there and one spot replica here", func(s serve.Service) bool {
		return s.Counts.Total == 2 && s.Counts.Ready == 2 && s.Counts.OnDemand == 1 && s.Counts.Spot == 1
	})
	inCluster(1)
	for _, r := range s.Replicas {
		if on := r.Offer.Location.Cloud; (on == "kubernetes") != (r.Market == serve.OnDemand) {
			t.Errorf("the %s replica %d is on %s", r.Market, r.ID, on)
		}
	}
	for range 10 {
		resp, err := http.Get(s.Endpoint + "/health")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("the endpoint answers %v, %v", resp, err)
		}
		resp.Body.Close()
	}

	// What a dead controller had there is ended with it, whatever cluster kubectl
	// has come to talk to since.
	w.killController("mixed")
	rewrite(t, config, "current-context: test", "current-context: elsewhere")
	w.must(0, "destroy", "-auto-approve")
	inCluster(0)
}

// withContexts copies a configuration and gives it another context, of a cluster
// that is not there.
func withContexts(t *testing.T, config string) string {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	rewrite(t, path, "contexts: [", "contexts: [{name: elsewhere, context: {cluster: nowhere, user: admin}}, ")
	rewrite(t, path, "clusters: [", `clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}, `)
	return path
}

// rewrite replaces a text in a file.
func rewrite(t *testing.T, path, old, text string) {
	t.Helper()
	was, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(was), old) {
		t.Fatalf("%s has no %q: %v", path, old, err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(was), old, text)), 0o600); err != nil {
		t.Fatal(err)
	}
}
