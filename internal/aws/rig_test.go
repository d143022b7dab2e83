// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"os"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestMain(m *testing.M) {
	if machinetest.Be() || fleettest.BeAgent() {
		return
	}
	awstest.Alone()
	os.Exit(m.Run())
}

// brief is how the account is reached in tests.
func brief(t *testing.T, c aws.Config) string {
	t.Helper()
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	known, err := aws.Brief("", c)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// rig is a cloud on an emulated AWS whose instances are records only.
type rig struct {
	*testing.T
	aws   *awstest.AWS
	cloud *aws.Cloud
}

func newRig(t *testing.T) *rig {
	t.Helper()
	a := awstest.New(t, awstest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})
	stations := fleettest.Stations{Every: time.Second, Boot: 20 * time.Second, Machines: func() (all []fleettest.Machine) {
		for _, i := range a.Live() {
			all = append(all, fleettest.Machine{Host: i.PublicIP, Running: i.State == "running", Launched: i.Launched})
		}
		return all
	}}
	return &rig{t, a, aws.NewCloud(aws.CloudOptions{
		Known: brief(t, aws.Config{Regions: []string{"us-east-1"}}), Note: func(string) error { return nil },
		Scope:   func() (string, error) { return "rig", nil },
		Secret:  func() ([]byte, error) { return []byte(fleettest.Secret), nil },
		Program: fleettest.Program(t), Transport: a.Client().Transport, Connect: stations.Connect,
	})}
}

// offer is the cheapest in a market.
func (r *rig) offer(m serve.Market) serve.Offer { return fleettest.Cheapest(r, r.cloud, m) }

func (r *rig) request(o serve.Offer) serve.LaunchRequest { return fleettest.Request(o, "server") }
