// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhatWouldKeepMachinesFromBeingLaunched(t *testing.T) {
	t.Parallel()
	spot := true
	small := serve.Resource{Infra: "gcp/us-east1", CPUs: "2", UseSpot: &spot}
	with := func(change func(*serve.Resource)) serve.Resource {
		r := small
		change(&r)
		return r
	}
	type row struct {
		name    string
		gcp     func(*gcptest.GCP)
		config  gcp.Config
		entry   serve.Resource
		on, off int // spot and on-demand machines; 2 and 0 unless they are given
		fleettest.Expect
	}
	for _, row := range []row{
		{name: "all is well", entry: small},
		{name: "all is well with an accelerator", entry: with(func(r *serve.Resource) { r.CPUs, r.Accelerators = "", "L4:1" })},
		{name: "all is well with an accelerator that is attached", entry: with(func(r *serve.Resource) { r.CPUs, r.Accelerators = "", "t4" })},
		{name: "all is well with a container", entry: with(func(r *serve.Resource) { r.ImageID = "docker:nginx" })},
		{
			name: "a region that there is not", entry: with(func(r *serve.Resource) { r.Infra = "gcp/us-moon1" }),
			Expect: fleettest.Expect{Field: "infra", Says: `Google Cloud has no region "us-moon1"`, Hopeless: true},
		},
		{
			name: "a region that is left out", entry: serve.Resource{Cloud: "gcp", Region: "us-central1"}, config: gcp.Config{Regions: []string{"us-east1"}},
			Expect: fleettest.Expect{Field: "region", Says: "the provider's configuration leaves it out; there are us-east1.", Hopeless: true},
		},
		{
			name: "a type that there is not", entry: with(func(r *serve.Resource) { r.CPUs, r.InstanceType = "", "n99-standard-2" }),
			Expect: fleettest.Expect{Field: "instance_type", Says: `Google Cloud has no instance type "n99-standard-2" in gcp/us-east1.`, Hopeless: true},
		},
		{
			name: "a type that is too small", entry: with(func(r *serve.Resource) { r.CPUs, r.InstanceType = "8+", "e2-standard-2" }),
			Expect: fleettest.Expect{Field: "instance_type", Says: `"e2-standard-2" has 2 processors, 8 GiB of memory and no accelerators, which is not what else is asked for.`, Hopeless: true},
		},
		{
			name: "an accelerator that there is not", entry: with(func(r *serve.Resource) { r.Accelerators = "H100:3" }),
			Expect: fleettest.Expect{Field: "accelerators", Says: "Google Cloud has no type of machine", Hopeless: true},
		},
		{
			name: "a zone without the accelerator", entry: with(func(r *serve.Resource) { r.Infra, r.Accelerators, r.CPUs = "gcp/us-east1/us-east1-b", "T4", "" }),
			Expect: fleettest.Expect{Field: "infra", Says: `no such machines in the zone "us-east1-b"; there are in us-east1-c, us-east1-d.`, Hopeless: true},
		},
		{
			name: "a ceiling below all prices", entry: with(func(r *serve.Resource) { r.MaxHourlyCost = 0.001 }),
			Expect: fleettest.Expect{Field: "max_hourly_cost", Says: "No such machine costs $0.001 an hour or less at present; the cheapest is at $0.0"},
		},
		{
			name: "a ceiling below what on-demand machines cost", entry: with(func(r *serve.Resource) { r.MaxHourlyCost, r.InstanceType = 0.06, "e2-standard-2" }), on: 1, off: 1,
			Expect: fleettest.Expect{Says: "Google Cloud does not sell such machines as on-demand ones in gcp/us-east1"},
		},
		{
			name: "an image that there is not", entry: with(func(r *serve.Resource) { r.ImageID = "projects/debian-cloud/global/images/debian-99" }),
			Expect: fleettest.Expect{Field: "image_id", Says: "Finding the image projects/debian-cloud/global/images/debian-99: Google Cloud refuses (notFound):", Hopeless: true},
		},
		{
			name: "an image that is none", entry: with(func(r *serve.Resource) { r.ImageID = "ami-0123456789abcdef0" }),
			Expect: fleettest.Expect{Field: "image_id", Says: `"ami-0123456789abcdef0" is neither an image`, Hopeless: true},
		},
		{
			name: "a disk that is too small for the image", entry: with(func(r *serve.Resource) { r.CPUs, r.Accelerators, r.DiskSize = "", "L4:1", "20" }),
			Expect: fleettest.Expect{Field: "disk_size", Says: "GB, and not of 20", Hopeless: true},
		},
		{
			name: "a network that there is not", entry: small, config: gcp.Config{Network: "office", Regions: []string{"us-east1"}},
			Expect: fleettest.Expect{Says: "There is no network projects/" + gcptest.Project + "/global/networks/office; make one, or name another by gcp.network", Hopeless: true},
		},
		{
			name: "a network that is none", entry: small, config: gcp.Config{Network: "10.0.0.0/8", Regions: []string{"us-east1"}},
			Expect: fleettest.Expect{Says: `"10.0.0.0/8" is neither a network nor a subnetwork`, Hopeless: true},
		},
		{
			name: "no permission to look at the network", entry: small, gcp: func(g *gcptest.GCP) { g.Forbid("compute.networks.get") },
			Expect: fleettest.Expect{Says: "Google Cloud refuses (forbidden): Required 'compute.networks.get' permission", Hopeless: true},
		},
		{
			name: "no permission to launch", entry: small, gcp: func(g *gcptest.GCP) { g.Forbid("compute.instances.create", "compute.firewalls.create") },
			Expect: fleettest.Expect{Says: "The credentials lack permissions in the project " + gcptest.Project + ": compute.instances.create", Hopeless: true},
		},
		{
			name: "no permission to look at quotas, which is not needed", entry: small, on: 50,
			gcp: func(g *gcptest.GCP) { g.Forbid("compute.projects.get") },
		},
		{
			name: "a type that there is no program for", entry: serve.Resource{Infra: "gcp/us-central1", InstanceType: "t2a-standard-2"},
			Expect: fleettest.Expect{Field: "instance_type", Says: "There is no program for machines of linux/arm64: put that of the same release at /opt/", Hopeless: true},
		},
		{
			name: "a quota for fewer", entry: with(func(r *serve.Resource) { r.InstanceType = "e2-standard-2" }), on: 10, off: 3,
			gcp:    func(g *gcptest.GCP) { g.SetQuota("us-east1", "PREEMPTIBLE_CPUS", 8) },
			Expect: fleettest.Expect{Says: "There may be 10 spot machines at a time, and the quotas of the project leave room for 4 of them at most: PREEMPTIBLE_CPUS in us-east1 is 8."},
		},
		{
			name: "a quota for no accelerators", entry: with(func(r *serve.Resource) { r.CPUs, r.Accelerators = "", "L4:1" }),
			gcp:    func(g *gcptest.GCP) { g.SetQuota("us-east1", "PREEMPTIBLE_NVIDIA_L4_GPUS", 0) },
			Expect: fleettest.Expect{Says: "leave room for 0 of them at most: PREEMPTIBLE_NVIDIA_L4_GPUS in us-east1 is 0", Hopeless: true},
		},
		{
			name: "a quota of series that are counted apart", entry: small, off: 10,
			gcp: func(g *gcptest.GCP) {
				g.SetQuota("us-east1", "CPUS", 2)
				g.SetQuota("us-east1", "N2D_CPUS", 4)
				g.SetQuota("us-east1", "N2_CPUS", 4)
			},
			Expect: fleettest.Expect{Says: "There may be 10 on-demand machines at a time, and the quotas of the project leave room for"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g := gcptest.New(t, gcptest.Options{})
			if row.gcp != nil {
				row.gcp(g)
			}
			c := gcp.NewCloud(gcp.CloudOptions{
				Known: brief(t, row.config), Transport: g.Client().Transport, Shown: credentials(g), Program: fleettest.Incomplete(t),
			})
			row.Meets(t, c, row.entry, row.on, row.off)
			if left := g.Books().Left(); len(left) > 0 {
				t.Errorf("something was made: %+v", left)
			}
		})
	}
}

func TestWhoMayNotUseTheProjectIsTold(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	g.FailNext("compute.regions.list", gcptest.NotEnabled("Compute Engine API"))
	c := gcp.NewCloud(gcp.CloudOptions{Known: brief(t, gcp.Config{}), Transport: g.Client().Transport, Shown: credentials(g)})
	_, err := c.Preflight(t.Context(), serve.Preflight{Service: "web", Entries: []serve.Resource{{Infra: "gcp"}}, OnDemand: 1})
	if !errors.Is(err, serve.ErrUnauthorized) || !strings.Contains(err.Error(), "Compute Engine API has not been used in project") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutCredentialsNothingCanBeLookedAt(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	key := strings.Replace(string(g.ClientCredentials()), gcptest.Account, "nobody@"+gcptest.Account[len("terraform@"):], 1)
	c := gcp.NewCloud(gcp.CloudOptions{Known: brief(t, gcp.Config{}), Transport: g.Client().Transport, Shown: fleettest.Shown(key)})
	_, err := c.Preflight(t.Context(), serve.Preflight{Service: "web", Entries: []serve.Resource{{Infra: "gcp"}}, OnDemand: 1})
	if !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
}

// What cannot be asked is no reason against a launch, which will show.
func TestTheAPIOfTheResourceManagerNeedNotBeEnabled(t *testing.T) {
	t.Parallel()
	g := gcptest.New(t, gcptest.Options{})
	off := gcptest.NotEnabled("Cloud Resource Manager API")
	off.Code = http.StatusForbidden
	g.FailNext("cloudresourcemanager.projects.testIamPermissions", off, off)
	c := gcp.NewCloud(gcp.CloudOptions{Known: brief(t, gcp.Config{}), Transport: g.Client().Transport, Shown: credentials(g)})
	found, err := c.Preflight(t.Context(), serve.Preflight{Service: "web", Entries: []serve.Resource{{Infra: "gcp/us-east1", CPUs: "2"}}, OnDemand: 1})
	if err != nil || len(found) > 0 {
		t.Errorf("got %+v, %v", found, err)
	}
}
