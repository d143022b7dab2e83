// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhatComputeEngineSaysOfAType(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name         string
		cpus, memory int32 // in MB
		shared       bool
		architecture string
		gpu          string
		accelerators string
		special      bool
	}{
		{name: "n2-standard-4", cpus: 4, memory: 16384, architecture: "X86_64"},
		{name: "a2-ultragpu-8g", cpus: 96, memory: 1392640, architecture: "X86_64", gpu: "nvidia-a100-80gb", accelerators: "A100-80GB:8"},
		{name: "a2-highgpu-8g", cpus: 96, memory: 696320, gpu: "nvidia-tesla-a100", accelerators: "A100:8"},
		{name: "e2-micro", cpus: 2, memory: 1024, shared: true, special: true},
		{name: "c3-standard-4-lssd", cpus: 4, memory: 16384, special: true},
		{name: "c3-standard-192-metal", cpus: 192, memory: 786432, special: true},
		{name: "m3-megamem-64", cpus: 64, memory: 999424, special: true},
		{name: "t2a-standard-4", cpus: 4, memory: 16384, architecture: "ARM64", special: true},
	} {
		m := &computepb.MachineType{Name: &row.name, GuestCpus: &row.cpus, MemoryMb: &row.memory, IsSharedCpu: &row.shared, Architecture: &row.architecture}
		if row.gpu != "" {
			m.Accelerators = []*computepb.Accelerators{{GuestAcceleratorType: &row.gpu, GuestAcceleratorCount: new(int32(8))}}
		}
		got, ok := typeOf(m)
		architecture := map[bool]string{true: "arm64", false: "amd64"}[row.architecture == "ARM64"]
		if !ok || got.Name != row.name || got.CPUs != float64(row.cpus) || got.Memory != float64(row.memory)/1024 ||
			got.Architecture != architecture || got.Accelerators != row.accelerators || got.Special != row.special || len(got.Markets) != 2 {
			t.Errorf("%s: got %+v, %v", row.name, got, ok)
		}
	}
	desk := &computepb.MachineType{Name: new("g2-standard-4"), GuestCpus: new(int32(4)), MemoryMb: new(int32(16384)), Accelerators: []*computepb.Accelerators{
		{GuestAcceleratorType: new("ct5lp"), GuestAcceleratorCount: new(int32(1))},
	}}
	if got, ok := typeOf(desk); ok {
		t.Errorf("got %+v of accelerators that nobody can ask for", got)
	}
}

func TestNamesOfMachinesMadeToMeasure(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		ok   bool
	}{
		{"e2-custom-2-1024", true},
		{"e2-custom-2-17408", false}, // more than 8 GiB for each
		{"e2-custom-3-4096", false},
		{"e2-custom-34-34816", false},
		{"n2-custom-6-10240", true},
		{"n2-custom-6-10300", false}, // no multiple of 256 MiB
		{"n2-custom-34-34816", false},
		{"n2-custom-36-36864", true},
		{"n2d-custom-8-16384", true},
		{"n2d-custom-6-16384", false},
		{"n1-custom-1-1024", true},
		{"n1-custom-3-4096", false},
		{"n1-custom-4-26880", false},
		{"n4-custom-4-4096", false}, // less than 2 GiB for each
		{"c3-custom-4-16384", false},
		{"n2-standard-4", false},
	} {
		if m, ok := customNamed(row.name); ok != row.ok || ok && m.Name != row.name {
			t.Errorf("%s: got %+v, %v", row.name, m, ok)
		}
	}
}

func TestWhichTypesAZoneHasOfWhatIsWanted(t *testing.T) {
	t.Parallel()
	zone := zoneTypes{attachable: map[string]int{"T4": 4, "V100": 8}}
	for _, row := range []struct {
		name         string
		cpus, memory float64
		accelerators string
	}{
		{"e2-highcpu-2", 2, 2, ""},
		{"e2-standard-2", 2, 8, ""},
		{"e2-standard-4", 4, 16, ""},
		{"n1-standard-4", 4, 15, ""},
		{"n1-highmem-16", 16, 104, ""},
		{"n2-standard-8", 8, 32, ""},
		{"g2-standard-4", 4, 16, "L4:1"},
	} {
		zone.types = append(zone.types, fleet.Type{
			Name: row.name, CPUs: row.cpus, Memory: row.memory, Accelerators: row.accelerators, Architecture: "amd64",
			Markets: []serve.Market{serve.Spot, serve.OnDemand},
		})
	}
	for _, row := range []struct {
		what string
		r    serve.Resource
		want string
	}{
		{"processors that there are", serve.Resource{CPUs: "2+"}, "e2-highcpu-2 e2-standard-2 e2-standard-4 n1-standard-4 n1-highmem-16 n2-standard-8"},
		{"processors that there are not", serve.Resource{CPUs: "6"}, "e2-custom-6-24576 n1-custom-6-24576 n2-custom-6-24576"},
		{"memory between two types", serve.Resource{CPUs: "2", Memory: "4"}, "e2-custom-2-4096 n1-custom-2-4096 n2-custom-2-4096"},
		{"at least some memory", serve.Resource{CPUs: "2+", Memory: "12+"}, "e2-custom-2-12288 e2-standard-4 n1-custom-2-12288 n1-standard-4 n1-highmem-16 n2-custom-2-12288 n2-standard-8"},
		{"exactly what a type has", serve.Resource{CPUs: "2", Memory: "8"}, "e2-standard-2 n1-custom-2-8192 n2-custom-2-8192"},
		{"one made to measure by its name", serve.Resource{InstanceType: "n2-custom-6-10240"}, "n2-custom-6-10240"},
		{"one of a series that is not there", serve.Resource{InstanceType: "n2d-custom-8-16384"}, ""},
		{"an accelerator of its own", serve.Resource{Accelerators: "L4"}, "g2-standard-4"},
		{"an accelerator to be attached", serve.Resource{Accelerators: "T4"}, "n1-standard-4 n1-highmem-16"},
		{"one that only goes with small machines", serve.Resource{Accelerators: "V100:1"}, "n1-standard-4"},
		{"more of them than one can have", serve.Resource{Accelerators: "T4:8"}, ""},
		{"a number of them that there is not", serve.Resource{Accelerators: "T4:3"}, ""},
	} {
		w, err := fleet.WantedBy(row.r)
		if err != nil {
			t.Fatal(err)
		}
		types := zone.typesFor(w)
		fleet.SortTypes(types)
		var got []string
		for _, c := range w.Contenders(types) {
			got = append(got, c.Name)
		}
		slices.Sort(got)
		want := strings.Fields(row.want)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", row.what, got, want)
		}
	}
}

func TestNamesThatComputeEngineTakes(t *testing.T) {
	t.Parallel()
	j := &joined{scope: "somebody"}
	one := j.instanceName(serve.Ref{Service: "web", UID: "5f3c", Replica: 1})
	if !strings.HasPrefix(one, "serve-web-1-") {
		t.Errorf("it is called %s", one)
	}
	for what, other := range map[string]string{
		"another replica":         j.instanceName(serve.Ref{Service: "web", UID: "5f3c", Replica: 2}),
		"another UID":             j.instanceName(serve.Ref{Service: "web", UID: "5f3d", Replica: 1}),
		"another scope":           (&joined{}).instanceName(serve.Ref{Service: "web", UID: "5f3c", Replica: 1}),
		"a name with capitals":    j.instanceName(serve.Ref{Service: "Web", UID: "5f3c", Replica: 1}),
		"a name that is too long": j.instanceName(serve.Ref{Service: strings.Repeat("web-", 20), UID: "5f3c", Replica: 1 << 40}),
		"a name of other letters": j.instanceName(serve.Ref{Service: "wéb", UID: "5f3c", Replica: 1}),
		"a rule":                  j.firewallName("web", "projects/p/global/networks/default"),
		"a rule elsewhere":        j.firewallName("web", "projects/p/global/networks/other"),
		"a tag":                   j.networkTag("web"),
	} {
		if other == one || len(other) > longest || strings.Trim(other, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Contains(other, "--") {
			t.Errorf("%s has the name %s", what, other)
		}
	}
	for text, label := range map[string]string{"web": "web", "": "", "a_b-1": "a_b-1"} {
		if got := labelled(text); got != label {
			t.Errorf("%q is labelled %q", text, got)
		}
	}
	if a, b := labelled("A b"), labelled("a B"); a == b || !strings.HasPrefix(a, "a-b-") || len(labelled(strings.Repeat("x", 100))) > longest {
		t.Errorf("the labels are %q and %q", a, b)
	}
}
