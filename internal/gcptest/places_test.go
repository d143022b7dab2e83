// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

func TestPlacesAndWhatThereIsInThem(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	regions := made(t, compute.NewRegionsRESTClient, r.options)
	names := all(t, regions.List(t.Context(), &computepb.ListRegionsRequest{Project: gcptest.Project}).Next)
	if !slices.Equal(names, []string{"europe-west4", "us-central1", "us-east1"}) {
		t.Errorf("the regions are %q", names)
	}
	r.run("web-1")
	region, err := regions.Get(t.Context(), &computepb.GetRegionRequest{Project: gcptest.Project, Region: "us-east1"})
	if err != nil || len(region.GetZones()) != 3 {
		t.Errorf("the region is %v, %v", region, err)
	}
	for _, q := range region.GetQuotas() {
		if q.GetMetric() == "CPUS" && (q.GetUsage() != 2 || q.GetLimit() != 10000) {
			t.Errorf("the quota is %v", q)
		}
	}
	zones := made(t, compute.NewZonesRESTClient, r.options)
	names = all(t, zones.List(t.Context(), &computepb.ListZonesRequest{Project: gcptest.Project, Filter: new("status=UP name:us-")}).Next)
	if len(names) != 7 {
		t.Errorf("the zones are %q", names)
	}
	types := made(t, compute.NewMachineTypesRESTClient, r.options)
	names = all(t, types.List(t.Context(), &computepb.ListMachineTypesRequest{Project: gcptest.Project, Zone: zone, Filter: new("guestCpus=4 memoryMb=16384")}).Next)
	if !slices.Equal(names, []string{"c3-standard-4", "e2-standard-4", "g2-standard-4", "n2-standard-4", "n2d-standard-4"}) {
		t.Errorf("the types with 4 vCPUs and 16 GB are %q", names)
	}
	k, err := types.Get(t.Context(), &computepb.GetMachineTypeRequest{Project: gcptest.Project, Zone: "us-central1-a", MachineType: "a2-highgpu-2g"})
	if err != nil || k.GetAccelerators()[0].GetGuestAcceleratorType() != "nvidia-tesla-a100" || k.GetAccelerators()[0].GetGuestAcceleratorCount() != 2 {
		t.Errorf("the type is %v, %v", k, err)
	}
	if _, err := types.Get(t.Context(), &computepb.GetMachineTypeRequest{Project: gcptest.Project, Zone: zone, MachineType: "a2-highgpu-2g"}); reason(err) != "notFound" {
		t.Errorf("a zone has every type: %v", err)
	}
	gpus := made(t, compute.NewAcceleratorTypesRESTClient, r.options)
	names = all(t, gpus.List(t.Context(), &computepb.ListAcceleratorTypesRequest{Project: gcptest.Project, Zone: "us-east1-c"}).Next)
	if !slices.Equal(names, []string{"nvidia-l4", "nvidia-tesla-t4", "nvidia-tesla-v100"}) {
		t.Errorf("the accelerators are %q", names)
	}
}

func TestAllTypesAreHadInPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{Seed: 7})
	types := made(t, compute.NewMachineTypesRESTClient, r.options)
	seen := map[string]int{}
	pages := 0
	for it := types.AggregatedList(t.Context(), &computepb.AggregatedListMachineTypesRequest{Project: gcptest.Project, MaxResults: new(uint32(100))}); ; {
		pair, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, k := range pair.Value.GetMachineTypes() {
			seen[k.GetSelfLink()]++
		}
	}
	zones := 0
	for link, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", link, n)
		}
		if strings.HasSuffix(link, "/machineTypes/e2-medium") {
			zones++
		}
	}
	if zones != 10 || pages < 20 {
		t.Errorf("one type is in %d zones, and there were %d parts", zones, pages)
	}
}

func TestImagesAreHadByTheirFamily(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	images := made(t, compute.NewImagesRESTClient, r.options)
	for _, row := range []struct{ project, family, arch, want string }{
		{"debian-cloud", "debian-12", "X86_64", "none"},
		{"debian-cloud", "debian-12-arm64", "ARM64", "none"},
		{"cos-cloud", "cos-stable", "X86_64", "none"},
		{"cos-cloud", "debian-12", "", "notFound"},
		{"somebody-else", "debian-12", "", "notFound"},
		{gcptest.Project, "debian-12", "", "notFound"},
	} {
		i, err := images.GetFromFamily(t.Context(), &computepb.GetFromFamilyImageRequest{Project: row.project, Family: row.family})
		if reason(err) != row.want || i.GetArchitecture() != row.arch {
			t.Errorf("the image of %s in %s is %v, %v", row.family, row.project, i, err)
		}
	}
}

func TestAChangeNamesWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	r := newRig(t, gcptest.Options{})
	r.run("web-1")
	i, err := r.described("web-1")
	if err != nil {
		t.Fatal(err)
	}
	label := func() error {
		_, err := r.instances.SetLabels(t.Context(), &computepb.SetLabelsInstanceRequest{
			Project: gcptest.Project, Zone: zone, Instance: "web-1", InstancesSetLabelsRequestResource: &computepb.InstancesSetLabelsRequest{
				LabelFingerprint: i.LabelFingerprint, Labels: map[string]string{"service": "other"},
			},
		})
		return err
	}
	metadata := func() error {
		_, err := r.instances.SetMetadata(t.Context(), &computepb.SetMetadataInstanceRequest{
			Project: gcptest.Project, Zone: zone, Instance: "web-1", MetadataResource: &computepb.Metadata{
				Fingerprint: i.GetMetadata().Fingerprint, Items: []*computepb.Items{{Key: new("colour"), Value: new("blue")}},
			},
		})
		return err
	}
	for _, change := range []func() error{label, metadata} {
		if err := change(); err != nil {
			t.Error(err)
		}
		if err := change(); reason(err) != "conditionNotMet" {
			t.Errorf("a change of what there is no more: %v", err)
		}
	}
	b, _ := r.gcp.Books().Instance("web-1")
	if b.Labels["service"] != "other" || b.Metadata["colour"] != "blue" {
		t.Errorf("the books have %+v", b)
	}
}
