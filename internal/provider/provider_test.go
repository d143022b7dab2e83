// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// TestMain keeps Terraform from looking at the machine's own settings, and from
// asking whether there is a newer one.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"TF_CLI_CONFIG_FILE": os.DevNull, "CHECKPOINT_DISABLE": "1"} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}

const (
	address = "serve_service.web"
	view    = "data.serve_service.web"
)

// options makes a provider whose only infra is the fake one.
func options(f *infra) Options {
	return Options{
		Version: "test",
		Deployers: func(Settings) (map[string]serve.Deployer, error) {
			return map[string]serve.Deployer{localInfra: f, kubernetesInfra: f}, nil
		},
	}
}

// factories hands the provider to the test harness.
func factories(f *infra) map[string]func() (tfprotov6.ProviderServer, error) {
	return map[string]func() (tfprotov6.ProviderServer, error){
		"serve": providerserver.NewProtocol6WithError(New(options(f))()),
	}
}

// run plays steps with a real Terraform. At the end the service must be gone.
func run(t *testing.T, f *infra, steps ...resource.TestStep) {
	t.Helper()
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(f),
		Steps:                    steps,
	})
	if left, err := f.List(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("after destroy there are controllers of %v (%v)", left, err)
	}
}

// service writes a small service; what is in more comes on top.
func service(more string) string {
	return fmt.Sprintf(`
resource "serve_service" "web" {
  name      = "web"
  run       = "python3 server.py"
  resources = { ports = 8081 }
  %s
}
`, more)
}

// ready makes every replica of the newest revision ready at once and ends the
// others: half of them spot, half on-demand.
func ready(s *serve.Service) { roll(s, serve.Replica{Launch: serve.LaunchSucceeded, Ready: true}) }

// slow never gets a replica further than its machine.
func slow(s *serve.Service) {
	roll(s, serve.Replica{Launch: serve.LaunchSucceeded})
	s.Message = "No replica has answered a probe yet"
}

// broken ends every replica because its program does.
func broken(s *serve.Service) {
	roll(s, serve.Replica{Launch: serve.LaunchSucceeded, Teardown: serve.TeardownSucceeded, Cause: serve.CauseAppFailed, Message: "run ended with exit code 1"})
	s.Failure = "replica 1 is FAILED: run ended with exit code 1"
	s.Status, s.Message = serve.Failed, s.Failure
}

// roll replaces all replicas by those of the newest revision, made like r.
func roll(s *serve.Service, r serve.Replica) {
	next := int64(1)
	for _, old := range s.Replicas {
		next = max(next, old.ID+1)
	}
	s.Replicas = nil
	s.Status, s.Message, s.Failure = serve.NoReplica, "", ""
	for i := range s.Target {
		r.ID, r.Revision = next+int64(i), s.Revision
		r.Market = []serve.Market{serve.Spot, serve.OnDemand}[i%2]
		r.Offer = serve.Offer{Location: serve.Location{Cloud: "local", Region: "here", Zone: "a"}, Market: r.Market, InstanceType: "process", Price: 0.5}
		r.Address = fmt.Sprintf("127.0.0.%d:8081", r.ID+1)
		r.LaunchedAt = s.CreatedAt
		if r.Ready {
			r.FirstReadyAt, s.FirstReadyAt, s.Status = s.CreatedAt, s.CreatedAt, serve.Ready
		}
		s.Replicas = append(s.Replicas, r)
	}
}
