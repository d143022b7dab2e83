// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// seedService is the example of the seed document, which begins when it is told to, so
// that the moments of its tables last, and takes a while to end.
const seedService = `
terraform {
  required_providers { serve = { source = "serve-infra/serve" } }
}
resource "serve_service" "http" {
  name            = "http-server"
  readiness_probe = { path = "/health", endpoint_probe_interval_seconds = 0.2 }
  replica_policy = {
    min_replicas              = 2
    max_replicas              = 3
    target_qps_per_replica    = 1
    dynamic_ondemand_fallback = true
  }
  resources = {
    ports    = 8081
    cpus     = "2+"
    use_spot = true
    any_of   = [{ infra = "gcp/us-east1" }, { infra = "gcp/us-central1" }]
  }
  workdir = %q
  run     = <<-EOT
    case $SERVE_REPLICA_ID in 3|4) trap 'sleep 2; exit' TERM;; esac
    python3 -c 'import os, urllib.request; urllib.request.urlopen("%s/" + os.environ["SERVE_REPLICA_ID"])' & wait $!
    python3 server.py & wait $!
  EOT
}
`

// newGates gives what lets replicas begin, by their ids, and where they ask for it.
func newGates(t *testing.T) (open func(replicas ...string), url string) {
	t.Helper()
	var mu sync.Mutex
	gates := map[string]chan struct{}{}
	gate := func(replica string) chan struct{} {
		mu.Lock()
		defer mu.Unlock()
		if gates[replica] == nil {
			gates[replica] = make(chan struct{})
		}
		return gates[replica]
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-gate(path.Base(r.URL.Path)):
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return func(replicas ...string) {
		for _, replica := range replicas {
			close(gate(replica))
		}
	}, server.URL
}

// The transcript of the seed document, row by row, on the cloud that it is from.
func TestAccTheSeedsTranscript(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("runs Terraform against real processes; TF_ACC=1 or make test does so")
	}
	cloud := newGCP(t, gcptest.Options{Machines: true, Pending: 3 * time.Second})
	w := newWorkspace(t)
	begin, gates := newGates(t)
	workdir, err := filepath.Abs("../../examples/http_server")
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, func() error {
		return os.WriteFile(filepath.Join(w.dir, "main.tf"), fmt.Appendf(nil, seedService, workdir, gates), 0o600)
	})
	applied := make(chan error, 1)
	go func() {
		out, code := w.run("apply", "-auto-approve")
		if code != 0 {
			applied <- errors.New(out)
		}
		close(applied)
	}()
	tables := follow(w, "http-server")

	tables.shows("when the service is up", `
		http-server  1  UPTIME  NO_REPLICA  0/4  ENDPOINT
		http-server  1  1  -  AGO  1x GCP([Spot]vCPU=2)  PROVISIONING  us-east1
		http-server  2  1  -  AGO  1x GCP([Spot]vCPU=2)  PROVISIONING  us-central1
		http-server  3  1  -  AGO  1x GCP(vCPU=2)  PROVISIONING  us-east1
		http-server  4  1  -  AGO  1x GCP(vCPU=2)  PROVISIONING  us-central1`)
	tables.shows("when the machines run", `
		http-server  1  UPTIME  NO_REPLICA  0/4  ENDPOINT
		http-server  1  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  STARTING  us-east1
		http-server  2  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  STARTING  us-central1
		http-server  3  1  http://IP:8081  AGO  1x GCP(vCPU=2)  STARTING  us-east1
		http-server  4  1  http://IP:8081  AGO  1x GCP(vCPU=2)  STARTING  us-central1`)
	begin("1", "2")
	tables.shows("when the spot replicas are ready", `
		http-server  1  UPTIME  READY  2/4  ENDPOINT
		http-server  1  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-east1
		http-server  2  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-central1
		http-server  3  1  -  AGO  1x GCP(vCPU=2)  SHUTTING_DOWN  us-east1
		http-server  4  1  -  AGO  1x GCP(vCPU=2)  SHUTTING_DOWN  us-central1`)
	tables.shows("when on-demand is scaled down", `
		http-server  1  UPTIME  READY  2/2  ENDPOINT
		http-server  1  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-east1
		http-server  2  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-central1`)
	if err := <-applied; err != nil {
		t.Fatal(err)
	}

	// One region has nothing more to give, and takes back what it has given.
	for _, zone := range []string{"us-east1-b", "us-east1-c", "us-east1-d"} {
		cloud.Exhaust(gcptest.Pool{Zone: zone})
	}
	for _, i := range cloud.Books().LiveBy("serve-infra-replica")["1"] {
		cloud.Preempt(i.Name, 0)
	}
	tables.shows("when replica 1 is interrupted", `
		http-server  1  UPTIME  READY  1/3  ENDPOINT
		http-server  2  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-central1
		http-server  5  1  -  AGO  1x GCP([Spot]vCPU=2)  PROVISIONING  us-central1
		http-server  6  1  -  AGO  1x GCP(vCPU=2)  PROVISIONING  us-central1`)
	begin("5")
	tables.shows("when spot is available again", `
		http-server  1  UPTIME  READY  2/3  ENDPOINT
		http-server  2  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-central1
		http-server  5  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-central1
		http-server  6  1  -  AGO  1x GCP(vCPU=2)  SHUTTING_DOWN  us-central1`)
	tables.shows("in the end", `
		http-server  1  UPTIME  READY  2/2  ENDPOINT
		http-server  2  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-central1
		http-server  5  1  http://IP:8081  AGO  1x GCP([Spot]vCPU=2)  READY  us-central1`)

	w.must(0, "plan", "-detailed-exitcode")
	tables.end()
	w.must(0, "destroy", "-auto-approve")
	on := emulatedGCP{cloud}
	if live, left := on.live(), on.left(); len(live)+len(left) > 0 {
		t.Errorf("there are left: %+v, %v", live, left)
	}
	w.nothingLeft()
}
