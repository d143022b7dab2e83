// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

func TestAnInstanceIsHadAsItWasAskedForOrRefusedAsComputeEngineRefuses(t *testing.T) {
	t.Parallel()
	of := func(change func(*computepb.Instance)) func(*computepb.InsertInstanceRequest) {
		return func(in *computepb.InsertInstanceRequest) { change(in.InstanceResource) }
	}
	kind := func(name string) func(*computepb.InsertInstanceRequest) {
		return of(func(i *computepb.Instance) { i.MachineType = new("zones/" + zone + "/machineTypes/" + name) })
	}
	for _, row := range []struct {
		name    string
		prepare func(*gcptest.GCP)
		change  func(*computepb.InsertInstanceRequest)
		want    string
	}{
		{name: "an instance of the standard model", want: "none"},
		{name: "one in spot", change: inSpot, want: "none"},
		{
			name:    "a pool that is empty has nothing",
			prepare: func(g *gcptest.GCP) { g.Exhaust(gcptest.Pool{Zone: zone, Type: "e2-medium", Market: gcptest.Standard}) },
			want:    "ZONE_RESOURCE_POOL_EXHAUSTED",
		}, {
			name:    "spot may be exhausted while the rest is not",
			prepare: func(g *gcptest.GCP) { g.Exhaust(gcptest.Pool{Market: gcptest.Spot}) },
			want:    "none",
		}, {
			name: "a pool that was refilled has something again",
			prepare: func(g *gcptest.GCP) {
				g.Exhaust(gcptest.Pool{Type: "e2-medium"})
				g.Refill(gcptest.Pool{Type: "e2-medium"})
			},
			want: "none",
		}, {
			name:    "nobody gets more vCPUs than their quota",
			prepare: func(g *gcptest.GCP) { g.SetQuota("us-east1", "CPUS", 1) },
			want:    "QUOTA_EXCEEDED",
		}, {
			name:    "spot machines have a quota of their own",
			prepare: func(g *gcptest.GCP) { g.SetQuota("us-east1", "CPUS", 1) },
			change:  inSpot,
			want:    "none",
		},
		{name: "a type that nobody makes cannot be had", change: kind("e9-medium"), want: "invalid"},
		{name: "a type is of one zone", change: func(in *computepb.InsertInstanceRequest) { in.Zone = "us-east1-c" }, want: "invalid"},
		{name: "a zone has not every type", change: kind("a2-highgpu-1g"), want: "invalid"},
		{name: "there is no such zone", change: inZone("us-east1-a"), want: "invalid"},
		{name: "a type of one's own size", change: kind("e2-custom-4-5120"), want: "none"},
		{name: "which has not as much memory as one likes", change: kind("e2-custom-2-32768"), want: "invalid"},
		{name: "nor any number of vCPUs", change: kind("n2-custom-5-8192"), want: "invalid"},
		{
			name: "an image exists",
			change: of(func(i *computepb.Instance) {
				i.Disks[0].InitializeParams.SourceImage = new("projects/debian-cloud/global/images/family/debian-3")
			}),
			want: "notFound",
		}, {
			name: "an image is of one architecture",
			change: of(func(i *computepb.Instance) {
				i.Disks[0].InitializeParams.SourceImage = new("projects/debian-cloud/global/images/family/debian-12-arm64")
			}),
			want: "invalid",
		}, {
			name:   "a disk is no smaller than its image",
			change: of(func(i *computepb.Instance) { i.Disks[0].InitializeParams.DiskSizeGb = new(int64(5)) }),
			want:   "invalid",
		}, {
			name:   "a machine with GPUs cannot be moved while it runs",
			change: kind("g2-standard-4"), want: "invalid",
		}, {
			name: "one that is stopped instead can be had",
			change: func(in *computepb.InsertInstanceRequest) {
				kind("g2-standard-4")(in)
				in.InstanceResource.Disks[0].InitializeParams.DiskType = new("zones/" + zone + "/diskTypes/pd-balanced")
				in.InstanceResource.Scheduling = &computepb.Scheduling{OnHostMaintenance: new("TERMINATE")}
			},
			want: "none",
		}, {
			name: "GPUs can be added to machines of the family N1 only",
			change: of(func(i *computepb.Instance) {
				i.GuestAccelerators = []*computepb.AcceleratorConfig{{
					AcceleratorType: new("zones/us-east1-b/acceleratorTypes/nvidia-l4"), AcceleratorCount: new(int32(1)),
				}}
			}),
			want: "invalid",
		}, {
			name: "a spot machine is not restarted",
			change: func(in *computepb.InsertInstanceRequest) {
				inSpot(in)
				in.InstanceResource.Scheduling.AutomaticRestart = new(true)
			},
			want: "invalid",
		}, {
			name: "only spot machines are deleted when they are taken back",
			change: of(func(i *computepb.Instance) {
				i.Scheduling = &computepb.Scheduling{InstanceTerminationAction: new("DELETE")}
			}),
			want: "invalid",
		},
		{name: "labels are in lower case", change: of(func(i *computepb.Instance) { i.Labels["service"] = "Web" }), want: "invalid"},
		{name: "and have no slashes", change: of(func(i *computepb.Instance) { i.Labels["serve/service"] = "web" }), want: "invalid"},
		{
			name: "a value of metadata is at most 256 KiB",
			change: of(func(i *computepb.Instance) {
				i.Metadata = &computepb.Metadata{Items: []*computepb.Items{{Key: new("startup-script"), Value: new(strings.Repeat("x", 256<<10+1))}}}
			}),
			want: "invalid",
		}, {
			name: "an account exists",
			change: of(func(i *computepb.Instance) {
				i.ServiceAccounts = []*computepb.ServiceAccount{{Email: new("nobody@serve.test"), Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}}}
			}),
			want: "invalid",
		},
		{name: "an address is reserved", change: of(func(i *computepb.Instance) { i.NetworkInterfaces[0].AccessConfigs[0].NatIP = new("198.18.0.9") }), want: "invalid"},
		{name: "the id of a request is a UUID", change: func(in *computepb.InsertInstanceRequest) { in.RequestId = new("1") }, want: "invalid"},
		{
			name:    "not everybody may make one",
			prepare: func(g *gcptest.GCP) { g.Forbid("compute.instances.create") }, want: "forbidden",
		}, {
			name:    "nor use the world's addresses",
			prepare: func(g *gcptest.GCP) { g.Forbid("compute.subnetworks.useExternalIp") }, want: "forbidden",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, gcptest.Options{})
			if row.prepare != nil {
				row.prepare(r.gcp)
			}
			in := request("web-1")
			if row.change != nil {
				row.change(in)
			}
			err := r.insert(in)
			if got := strings.TrimSuffix(reason(err), "_WITH_DETAILS"); got != row.want {
				t.Errorf("got %v, want %s", err, row.want)
			}
			want := 0
			if row.want == "none" {
				want = 1
			}
			if b := r.gcp.Books(); len(b.Live()) != want || len(b.Disks) != want {
				t.Errorf("there is %v, want %d instances with a disk", b.Left(), want)
			}
		})
	}
}

func TestAnInstanceIsDescribedAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	r.run("web-1", inSpot, func(in *computepb.InsertInstanceRequest) {
		i := in.InstanceResource
		i.Disks[0].InitializeParams.DiskSizeGb = new(int64(50))
		i.Tags = &computepb.Tags{Items: []string{"serve-web"}}
		i.Metadata = &computepb.Metadata{Items: []*computepb.Items{{Key: new("serve-infra-details"), Value: new(`{"a":"B"}`)}}}
	})
	i, err := r.described("web-1")
	if err != nil {
		t.Fatal(err)
	}
	s := i.GetScheduling()
	for what, ok := range map[string]bool{
		"status":    i.GetStatus() == "RUNNING",
		"zone":      strings.HasSuffix(i.GetZone(), "/zones/"+zone),
		"type":      strings.HasSuffix(i.GetMachineType(), "/zones/us-east1-b/machineTypes/e2-medium"),
		"market":    s.GetProvisioningModel() == "SPOT" && s.GetPreemptible() && !s.GetAutomaticRestart() && s.GetInstanceTerminationAction() == "DELETE",
		"labels":    i.GetLabels()["service"] == "web",
		"tags":      slices.Equal(i.GetTags().GetItems(), []string{"serve-web"}),
		"metadata":  i.GetMetadata().GetItems()[0].GetValue() == `{"a":"B"}`,
		"disk":      i.GetDisks()[0].GetDiskSizeGb() == 50 && i.GetDisks()[0].GetAutoDelete(),
		"addresses": i.GetNetworkInterfaces()[0].GetNetworkIP() != "" && i.GetNetworkInterfaces()[0].GetAccessConfigs()[0].GetNatIP() != "",
	} {
		if !ok {
			t.Errorf("the %s of the instance is not what was asked for: %v", what, i)
		}
	}
	if entry, ok := r.gcp.Books().Instance("web-1"); !ok || entry.Metadata["serve-infra-details"] != `{"a":"B"}` || entry.Market != gcptest.Spot {
		t.Errorf("the books have %+v", entry)
	}
}

func TestAnInstanceIsMadeOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	const id = "0b9c1c5e-6c0e-4a52-9d8e-6f0c3a4f1f10"
	in := request("web-1", func(in *computepb.InsertInstanceRequest) { in.RequestId = new(id) })
	r.gcp.LoseNext("compute.instances.insert")
	if err := r.insert(in); err == nil {
		t.Error("an answer that was lost came")
	}
	if err := r.insert(in); err != nil {
		t.Errorf("the same request again: %v", err)
	}
	in.RequestId = new("0b9c1c5e-6c0e-4a52-9d8e-6f0c3a4f1f11")
	if err := r.insert(in); reason(err) != "alreadyExists" {
		t.Errorf("another request for the same name: %v", err)
	}
	if b := r.gcp.Books(); len(b.Instances) != 1 {
		t.Errorf("there are %+v", b.Instances)
	}
	if err := r.remove("web-1"); err != nil {
		t.Fatal(err)
	}
	if left := r.gcp.Books().Left(); len(left) > 0 {
		t.Errorf("there is left: %v", left)
	}
	if err := r.remove("web-1"); reason(err) != "notFound" {
		t.Errorf("it was removed twice: %v", err)
	}
}

func TestInstancesAreFoundByFilter(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	label := func(value string) func(*computepb.InsertInstanceRequest) {
		return func(in *computepb.InsertInstanceRequest) { in.InstanceResource.Labels["replica"] = value }
	}
	r.run("a-1", label("1"))
	r.run("a-2", label("2"), inSpot)
	r.run("b-1", label("1"))
	for _, row := range []struct {
		filter string
		want   string
	}{
		{"", "a-1 a-2 b-1"},
		{"labels.replica=1", "a-1 b-1"},
		{`labels.replica="1"`, "a-1 b-1"},
		{"(labels.replica=1) (name=b-1)", "b-1"},
		{"(labels.replica = 1) AND (name != b-1)", "a-1"},
		{"(name = a-2) OR (name = b-1)", "a-2 b-1"},
		{"NOT name=a-1", "a-2 b-1"},
		{"-name=a-1 status=RUNNING", "a-2 b-1"},
		{"name eq a-.*", "a-1 a-2"},
		{"name ne a-.*", "b-1"},
		{`(name eq "a-(1|3)")`, "a-1"},
		{"labels.replica:*", "a-1 a-2 b-1"},
		{"labels.other:*", ""},
		{"scheduling.provisioningModel=SPOT", "a-2"},
		{"scheduling.automaticRestart=false", "a-2"},
		{"networkInterfaces.accessConfigs.type=ONE_TO_ONE_NAT labels.replica>1", "a-2"},
		{"colour=blue", "invalid"},
		{"(name=a-1", "invalid"},
		{"name", "invalid"},
		{"name=a-1 OR", "invalid"},
		{"(name=a-1) (name eq a.*)", "invalid"},
	} {
		got, err := r.names(row.filter)
		if text := strings.Join(got, " "); err == nil && text != row.want || err != nil && reason(err) != row.want {
			t.Errorf("%s: got %q, %v; want %q", row.filter, text, err, row.want)
		}
	}
}
