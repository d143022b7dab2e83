// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// everywhere is a service with replicas in three clouds.
type everywhere struct {
	*workspace
	aws  *awstest.AWS
	gcp  *gcptest.GCP
	pods *kube.Cloud
}

func newEverywhere(t *testing.T) *everywhere {
	t.Helper()
	config, registry := os.Getenv("SERVE_TEST_KUBECONFIG"), os.Getenv("SERVE_TEST_REGISTRY")
	if config == "" || os.Getenv("SERVE_TEST_NODE") == "" {
		t.Skip("needs a cluster with a real node: make test-kube starts one")
	}
	w := newWorkspace(t)
	e := &everywhere{workspace: w, aws: awstest.New(t, awstest.Options{Machines: true}), gcp: gcptest.New(t, gcptest.Options{Machines: true})}
	e.pods = kube.NewCloud(kube.CloudOptions{Config: kube.Config{Path: config}, Scope: func() (string, error) { return local.Identity(w.home) }})
	w.env = slices.DeleteFunc(w.env, func(v string) bool { return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "GOOGLE_") })
	w.env = append(append(append(w.env, e.aws.Environ()...), e.gcp.Environ()...), "KUBECONFIG="+config)
	for name, url := range e.gcp.Endpoints() {
		w.env = append(w.env, customEndpoint(name)+"="+url)
	}
	text := fmt.Sprintf(`
terraform {
  required_providers { serve = { source = "serve-infra/serve" } }
}
provider "serve" {
  aws = { region = "us-east-1", regions = ["us-east-1"] }
}
resource "serve_service" "web" {
  name            = "everywhere"
  readiness_probe = { path = "/health", endpoint_probe_interval_seconds = 0.5 }
  replica_policy = {
    min_replicas                    = 3
    max_replicas                    = 3
    base_ondemand_fallback_replicas = 1
    dynamic_ondemand_fallback       = true
  }
  resources = {
    ports    = 8081
    use_spot = true
    any_of = [
      { infra = "aws/us-east-1", cpus = "2" },
      { infra = "gcp/us-east1", cpus = "2" },
      { infra = "kubernetes", image_id = "docker:%s/web:1", cpus = "0.1", memory = "0.1" },
    ]
  }
  run = <<-EOT
    mkdir -p site && echo ok > site/health
    if command -v python3 >/dev/null; then exec python3 -m http.server -d site -b "$HOST" "$PORT"; fi
    exec httpd -f -p "$PORT" -h site
  EOT
}
output "endpoint" { value = serve_service.web.endpoint }
`, registry)
	if err := os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

// customEndpoint is the variable by which Google's own provider is told another
// endpoint of a service.
func customEndpoint(name string) string {
	switch name {
	case "cloudbilling":
		name = "cloud_billing"
	case "cloudresourcemanager":
		name = "resource_manager"
	case "iamcredentials":
		name = "iam_credentials"
	}
	return "GOOGLE_" + strings.ToUpper(name) + "_CUSTOM_ENDPOINT"
}

// placed counts the ready replicas by cloud and market.
func placed(s serve.Service) map[string]int {
	by := map[string]int{}
	for _, r := range s.Replicas {
		if r.Status() == serve.Ready {
			by[r.Offer.Location.Cloud+" "+string(r.Market)]++
		}
	}
	return by
}

// A whole cloud is lost, with all that runs there and without a word from its API: the
// others serve all that is asked meanwhile. When it is there again it is used again,
// and not before the dearer machines that stand in for it are given back.
func TestAccAllOfACloudIsLostBesideOthersInACluster(t *testing.T) {
	e := newEverywhere(t)
	// There is room for one spot machine on either.
	for _, zone := range []string{"us-east-1b", "us-east-1c"} {
		e.aws.Exhaust(awstest.Pool{Zone: zone, Market: awstest.Spot})
	}
	e.aws.SetCapacity(awstest.Pool{Zone: "us-east-1a", Market: awstest.Spot}, 1)
	for _, zone := range []string{"us-east1-c", "us-east1-d"} {
		e.gcp.Exhaust(gcptest.Pool{Zone: zone, Market: gcptest.Spot})
	}
	e.gcp.SetCapacity(gcptest.Pool{Zone: "us-east1-b", Market: gcptest.Spot}, 1)
	e.must(0, "apply", "-auto-approve")
	endpoint := strings.TrimSpace(e.must(0, "output", "-raw", "endpoint"))
	client, _, err := (&Program{}).find(t.Context(), place{home: e.home}, "everywhere")
	if err != nil {
		t.Fatal(err)
	}
	became := func(what string, wanted map[string]int) {
		t.Helper()
		began := time.Now()
		await(t, client, what, func(s serve.Service) bool {
			by := placed(s)
			for where, n := range wanted {
				if by[where] != n {
					return false
				}
			}
			return s.Counts.Ready == 3
		})
		t.Logf("%s, after %v", what, time.Since(began))
	}
	became("there is a replica in each cloud", map[string]int{"aws spot": 1, "gcp spot": 1, "kubernetes on_demand": 1})
	enough := askingBy(func() error {
		resp, err := http.Get(endpoint + "/health")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})

	e.aws.Down(true)
	became("pods stand in for what AWS had", map[string]int{"aws spot": 0, "gcp spot": 1, "kubernetes on_demand": 2})
	e.aws.Down(false)
	became("AWS has a spot replica again", map[string]int{"aws spot": 1, "gcp spot": 1, "kubernetes on_demand": 1})
	e.gcp.Down(true)
	became("pods stand in for what Google Cloud had", map[string]int{"aws spot": 1, "gcp spot": 0, "kubernetes on_demand": 2})
	e.gcp.Down(false)
	became("Google Cloud has a spot replica again", map[string]int{"aws spot": 1, "gcp spot": 1, "kubernetes on_demand": 1})

	asked, bad := enough()
	t.Logf("%d requests meanwhile", asked)
	if asked == 0 || len(bad) > 0 {
		t.Errorf("of %d requests %d failed: %v", asked, len(bad), bad)
	}
	e.must(0, "destroy", "-auto-approve")
	if left := append(e.aws.Books().Left(), e.gcp.Books().Left()...); len(left) > 0 {
		t.Errorf("there are left: %q", left)
	}
	if pods, err := e.pods.List(t.Context(), "everywhere"); err != nil || len(pods) > 0 {
		t.Errorf("there are left the pods %+v, %v", pods, err)
	}
	e.nothingLeft()
}
