// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// mine is the label of the nodes that the test's replicas may be on.
func (c cluster) mine() string { return "nodes.test/" + c.namespace }

// simulate makes a node of a market. Its pods run nothing, and the machine that
// the test runs on answers at their addresses.
func (c cluster) simulate(node string, market serve.Market) {
	c.Helper()
	c.apply(fmt.Sprintf(`
apiVersion: v1
kind: Node
metadata:
  name: %s
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {%s: "", serve-infra.io/market: %s, topology.kubernetes.io/zone: zone-%s, kubernetes.io/os: linux}
spec:
  taints: [{key: simulated.test, effect: NoSchedule}]
`, node, c.mine(), market, market))
	c.kubectl("wait", "--for=condition=Ready", "node/"+node, "--timeout=60s")
}

// apply creates what a text describes.
func (c cluster) apply(text string) {
	c.Helper()
	path := filepath.Join(c.TempDir(), "object.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
	c.kubectl("apply", "-f", path)
}

// answer answers at a port of every address of this machine, and so for the pods
// of simulated nodes, until the test ends.
func answer(t testing.TB) (port int) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "simulated\n") })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("the listener is at %v", listener.Addr())
	}
	return address.Port
}

// Whatever takes the spot machines away, on-demand pods stand in, and when spot
// machines are there again the service is back on them.
func TestAccPreemptionInACluster(t *testing.T) {
	c := newCluster(t)
	t.Setenv("KUBECONFIG", c.config)
	w := newWorkspace(t)
	onSpot := c.namespace + "-spot"
	c.simulate(onSpot, serve.Spot)
	t.Cleanup(func() { c.try("delete", "node", onSpot, "--ignore-not-found") })
	onDemand := os.Getenv("SERVE_TEST_NODE")
	c.kubectl("label", "node", onDemand, c.mine()+"=")
	t.Cleanup(func() { c.try("label", "node", onDemand, c.mine()+"-") })

	text := fmt.Sprintf(`
terraform {
  required_providers { serve = { source = "serve-infra/serve" } }
}
resource "serve_service" "web" {
  name            = "web"
  readiness_probe = { path = "/health", endpoint_probe_interval_seconds = 0.2 }
  replica_policy = {
    min_replicas              = 2
    max_replicas              = 2
    dynamic_ondemand_fallback = true
  }
  resources = {
    ports    = %d
    use_spot = true
    image_id = "docker:%s/web:1"
    cpus     = "0.02"
    memory   = "0.02"
    kubernetes = {
      node_selector = { %q = "" }
      tolerations   = [{ key = "simulated.test", operator = "Exists" }]
    }
  }
  run        = "mkdir -p site && echo real > site/health && exec httpd -f -p $PORT -h site"
  controller = {
    infra            = "kubernetes"
    namespace        = %q
    image_repository = "%s/controller"
    service          = { type = "NodePort" }
  }
}
`, answer(t), c.registry, c.mine(), c.namespace, c.registry)
	mustDo(t, func() error { return os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(text), 0o600) })
	w.must(0, "apply", "-auto-approve")
	client, err := c.deployer().Find(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	await(t, client, "2/2 on spot", spotOnly(2))
	endpoint, _ := w.state()["endpoint"].(string)
	traffic := c.ask(endpoint + "/health")

	for _, cause := range []struct {
		name       string
		take, give func()
	}{
		{"a taint",
			func() { c.kubectl("taint", "node", onSpot, "reclaimed=soon:NoExecute") },
			func() { c.kubectl("taint", "node", onSpot, "reclaimed-") },
		},
		{"an eviction",
			func() {
				c.kubectl("drain", onSpot, "--force", "--delete-emptydir-data", "--pod-selector=app.kubernetes.io/component=replica", "--timeout=60s")
			},
			func() { c.kubectl("uncordon", onSpot) },
		},
		{"the end of the node",
			func() { c.kubectl("delete", "node", onSpot) },
			func() { c.simulate(onSpot, serve.Spot) },
		},
	} {
		before := strings.Join(c.replicas(), " ")
		cause.take()
		await(t, client, "on-demand replicas in the place of those lost by "+cause.name, func(s serve.Service) bool {
			return s.Counts.OnDemand == 2 && s.Counts.Spot == 0
		})
		w.must(0, "plan", "-detailed-exitcode")
		cause.give()
		await(t, client, "2/2 on spot again after "+cause.name, spotOnly(2))
		for _, pod := range c.replicas() {
			if strings.Contains(before+" ", pod+" ") {
				t.Errorf("%s is still there after %s", pod, cause.name)
			}
		}
	}
	if repeated := traffic(); repeated > 0 {
		t.Errorf("%d requests were lost", repeated)
	}
	w.must(0, "destroy", "-auto-approve")
	if left, _ := c.try("get", "namespace", c.namespace, "--ignore-not-found"); left != "" {
		t.Errorf("the namespace is left: %s", left)
	}
}
