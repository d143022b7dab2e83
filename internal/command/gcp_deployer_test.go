// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// owner is a deployer with its project.
type owner struct {
	serve.Deployer
	gcp      *gcptest.GCP
	config   gcp.Config
	programs *agent.Programs
}

func newOwner(t *testing.T, programs *agent.Programs) *owner {
	t.Helper()
	g := gcptest.New(t, gcptest.Options{Machines: true, Ports: controllerPorts()})
	c := gcp.Config{
		Project: gcptest.Project, Region: "us-east1", Regions: []string{"us-east1"}, Credentials: string(g.Credentials()), Endpoints: g.Endpoints(),
	}
	return &owner{gcp: g, config: c, programs: programs, Deployer: gcp.NewDeployer(gcp.DeployerOptions{Config: c, Means: meansOf(programs)})}
}

// host gives the controller's machine, and whether there is one that runs.
func (o *owner) host(service string) (gcptest.Instance, bool) {
	for _, i := range o.gcp.Books().Live() {
		if i.Labels["serve-infra-controller"] == service && i.State == "RUNNING" {
			return i, true
		}
	}
	return gcptest.Instance{}, false
}

// kill has the controller's machine stop, which nobody starts again but who deploys.
func (o *owner) kill(t *testing.T, service string) {
	t.Helper()
	i, ok := o.host(service)
	if !ok || !o.gcp.Shutdown(i.Name) {
		t.Fatalf("there is no machine of a controller: %+v", i)
	}
	for ok {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the machine does not stop")
		}
		_, ok = o.host(service)
	}
}

func (o *owner) shown(context.Context, string) (string, error) { return o.config.Credentials, nil }

// forget deletes the controller's bucket, with its machine. Another one finds nothing
// there.
func (o *owner) forget(t *testing.T, service string) {
	t.Helper()
	o.kill(t, service)
	o.gcp.Wipe("serve-" + service + "-")
}

// launch has the controller's machines be one more.
func (o *owner) launch(t *testing.T, service string, replica int64) serve.Instance {
	t.Helper()
	known, err := gcp.Brief("", o.config)
	if err != nil {
		t.Fatal(err)
	}
	cloud := gcp.NewCloud(gcp.CloudOptions{
		Known: known, Note: func(string) error { return nil }, Scope: func() (string, error) { return "at-us-east1", nil },
		Secret: func() ([]byte, error) { return make([]byte, 32), nil }, Program: o.programs.Open, Shown: o.shown,
	})
	resource := serve.Resource{CPUs: "2+", Infra: "gcp/us-east1"}
	offers, err := cloud.Offers(t.Context(), resource)
	if err != nil || len(offers) == 0 {
		t.Fatalf("Offers = %v, %v", offers, err)
	}
	i, err := cloud.Launch(t.Context(), serve.LaunchRequest{
		Ref: serve.Ref{Service: service, UID: "5f3c", Replica: replica}, Revision: 1, Offer: offers[0], Resource: resource, Port: 8080,
		Task: serve.Task{Run: "exec sleep 3600"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// The machine of a controller is one that boots, fetches its program with the rights of
// its service account, and is made again when it is gone.
func TestDeployerOnGCP(t *testing.T) {
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	programs := &agent.Programs{Own: program, Version: "test"}
	servetest.TestDeployer(t, func(t *testing.T) serve.Deployer {
		t.Helper()
		return newOwner(t, programs)
	}, servetest.DeployerHooks{
		Kill:   func(t *testing.T, d serve.Deployer, service string) { d.(*owner).kill(t, service) },
		Forget: func(t *testing.T, d serve.Deployer, service string) { d.(*owner).forget(t, service) },
		Launch: func(t *testing.T, d serve.Deployer, service string, replica int64) serve.Instance {
			return d.(*owner).launch(t, service, replica)
		},
		Patience: 3 * time.Minute,
	})
}
