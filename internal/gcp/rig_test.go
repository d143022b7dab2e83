// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"os"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestMain(m *testing.M) {
	if machinetest.Be() || fleettest.BeAgent() {
		return
	}
	gcptest.Alone()
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		panic(err)
	}
	os.Setenv("HOME", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// credentials give the cloud of a test the key of its service account, as a controller
// is given one.
func credentials(g *gcptest.GCP) serve.CredentialsOf {
	return fleettest.Shown(string(g.ClientCredentials()))
}

// brief is how the project is reached in tests.
func brief(t *testing.T, c gcp.Config) string {
	t.Helper()
	known, err := gcp.Brief("", c)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// rig is a cloud on an emulated Google Cloud whose instances are records only.
type rig struct {
	*testing.T
	gcp   *gcptest.GCP
	cloud *gcp.Cloud
}

func newRig(t *testing.T) *rig {
	t.Helper()
	g := gcptest.New(t, gcptest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
	return &rig{t, g, newCloud(t, g, rigConfig())}
}

func rigConfig() gcp.Config { return gcp.Config{Regions: []string{"us-east1"}} }

// as gives a cloud on the same project for another scope.
func (r *rig) as(scope string) *gcp.Cloud {
	r.Helper()
	o := options(r.T, r.gcp, rigConfig())
	o.Known = "" // wherever they are
	o.Note = nil
	o.Scope = func() (string, error) { return scope, nil }
	return gcp.NewCloud(o)
}

// newCloud gives a cloud on the project with its agents.
func newCloud(t *testing.T, g *gcptest.GCP, c gcp.Config) *gcp.Cloud {
	t.Helper()
	return gcp.NewCloud(options(t, g, c))
}

func options(t *testing.T, g *gcptest.GCP, c gcp.Config) gcp.CloudOptions {
	return gcp.CloudOptions{
		Known: brief(t, c), Note: func(string) error { return nil },
		Scope:     func() (string, error) { return "rig", nil },
		Secret:    func() ([]byte, error) { return []byte(fleettest.Secret), nil },
		Shown:     credentials(g),
		Program:   fleettest.Program(t),
		Transport: g.Client().Transport, Connect: stations(g).Connect,
	}
}

// stations are the agents of a Google Cloud whose instances are records only: what they
// would say follows from the books.
func stations(g *gcptest.GCP) *fleettest.Stations {
	return &fleettest.Stations{Every: time.Second, Boot: 20 * time.Second, Machines: func() []fleettest.Machine {
		var all []fleettest.Machine
		for _, i := range g.Live() {
			m := fleettest.Machine{ID: i.Name, Host: i.PublicIP, Running: i.State == "RUNNING", Launched: i.Launched}
			if !i.Preempted.IsZero() {
				m.Warnings = []agent.Warning{{Kind: agent.WarningInterruption, Deadline: i.Preempted.Add(2 * time.Minute), Detail: "preempted"}}
			}
			all = append(all, m)
		}
		return all
	}}
}

// offer is the cheapest in a market.
func (r *rig) offer(m serve.Market) serve.Offer { return fleettest.Cheapest(r, r.cloud, m) }

func (r *rig) request(o serve.Offer) serve.LaunchRequest { return fleettest.Request(o, "server") }
