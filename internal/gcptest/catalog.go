// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kind is a type of machine, with what Compute Engine tells of it.
type kind struct {
	name     string
	arch     string // X86_64 or ARM64
	cpus     int
	memoryMB int
	shared   bool   // part of a core
	metric   string // of the quota of its vCPUs
	gpu      string // that it has of itself
	gpus     int
	zones    string // that have it; all if empty
	disks    string // that it cannot boot from
	text     string
}

// Zones that have what not all of them have, as Google's pages on regions and zones
// have it.
const (
	armZones  = "us-central1-a us-central1-b us-central1-f europe-west4-a europe-west4-b europe-west4-c"
	l4Zones   = "us-central1-a us-central1-b us-central1-c us-east1-b us-east1-c us-east1-d europe-west4-a europe-west4-b europe-west4-c"
	a100Zones = "us-central1-a us-central1-b us-central1-c us-central1-f europe-west4-a europe-west4-b"
	t4Zones   = "us-central1-a us-central1-b us-central1-c us-central1-f us-east1-c us-east1-d europe-west4-b europe-west4-c"
	v100Zones = "us-central1-a us-central1-b us-central1-c us-central1-f us-east1-c europe-west4-a europe-west4-b europe-west4-c"
)

// family is a line of types, in sizes of which each has so much memory for a vCPU.
type family struct {
	name     string
	sizes    []int
	memoryMB int // for each vCPU
	of       kind
}

func families() []family {
	small, large := []int{2, 4, 8, 16, 32}, []int{2, 4, 8, 16, 32, 48, 64, 80}
	n1 := []int{1, 2, 4, 8, 16, 32, 64, 96}
	x86 := func(metric string) kind { return kind{arch: "X86_64", metric: metric} }
	c3 := kind{arch: "X86_64", metric: "C3_CPUS", disks: "pd-standard"}
	arm := kind{arch: "ARM64", metric: "T2A_CPUS", zones: armZones}
	return []family{
		{"e2-standard", small, 4096, x86("CPUS")}, {"e2-highmem", small[:4], 8192, x86("CPUS")}, {"e2-highcpu", small, 1024, x86("CPUS")},
		{"n1-standard", n1, 3840, x86("CPUS")}, {"n1-highmem", n1[1:], 6656, x86("CPUS")}, {"n1-highcpu", n1[1:], 922, x86("CPUS")},
		{"n2-standard", large, 4096, x86("N2_CPUS")}, {"n2-highmem", large, 8192, x86("N2_CPUS")}, {"n2-highcpu", large, 1024, x86("N2_CPUS")},
		{"n2d-standard", large, 4096, x86("N2D_CPUS")}, {"n2d-highmem", large, 8192, x86("N2D_CPUS")}, {"n2d-highcpu", large, 1024, x86("N2D_CPUS")},
		{"c3-standard", []int{4, 8, 22, 44, 88}, 4096, c3}, {"c3-highcpu", []int{4, 8, 22, 44, 88}, 2048, c3},
		{"t2a-standard", []int{1, 2, 4, 8, 16, 32, 48}, 4096, arm},
	}
}

// kinds are the types there are.
func kinds() []kind {
	out := []kind{
		{name: "e2-micro", arch: "X86_64", cpus: 2, memoryMB: 1024, shared: true, metric: "CPUS"},
		{name: "e2-small", arch: "X86_64", cpus: 2, memoryMB: 2048, shared: true, metric: "CPUS"},
		{name: "e2-medium", arch: "X86_64", cpus: 2, memoryMB: 4096, shared: true, metric: "CPUS"},
		{name: "a2-highgpu-1g", cpus: 12, memoryMB: 87040, gpus: 1}, {name: "a2-highgpu-2g", cpus: 24, memoryMB: 174080, gpus: 2},
		{name: "a2-highgpu-4g", cpus: 48, memoryMB: 348160, gpus: 4}, {name: "a2-highgpu-8g", cpus: 96, memoryMB: 696320, gpus: 8},
		{name: "g2-standard-4", cpus: 4, memoryMB: 16384, gpus: 1}, {name: "g2-standard-8", cpus: 8, memoryMB: 32768, gpus: 1},
		{name: "g2-standard-12", cpus: 12, memoryMB: 49152, gpus: 1}, {name: "g2-standard-16", cpus: 16, memoryMB: 65536, gpus: 1},
		{name: "g2-standard-24", cpus: 24, memoryMB: 98304, gpus: 2}, {name: "g2-standard-32", cpus: 32, memoryMB: 131072, gpus: 1},
		{name: "g2-standard-48", cpus: 48, memoryMB: 196608, gpus: 4}, {name: "g2-standard-96", cpus: 96, memoryMB: 393216, gpus: 8},
	}
	for i := range out {
		k := &out[i]
		switch k.name[:2] {
		case "a2":
			k.arch, k.metric, k.gpu, k.zones = "X86_64", "A2_CPUS", "nvidia-tesla-a100", a100Zones
		case "g2":
			k.arch, k.metric, k.gpu, k.zones, k.disks = "X86_64", "CPUS", "nvidia-l4", l4Zones, "pd-standard"
		}
	}
	for _, f := range families() {
		for _, n := range f.sizes {
			k := f.of
			k.name, k.cpus, k.memoryMB = fmt.Sprintf("%s-%d", f.name, n), n, n*f.memoryMB
			out = append(out, k)
		}
	}
	for i := range out {
		out[i].text = fmt.Sprintf("%d vCPUs, %v GB RAM", out[i].cpus, float64(out[i].memoryMB)/1024)
	}
	return out
}

// kindNamed finds a type. One with a size of one's own choice has its size in its name.
func kindNamed(name string) (kind, bool) {
	all := kinds()
	if at := slices.IndexFunc(all, func(k kind) bool { return k.name == name }); at >= 0 {
		return all[at], true
	}
	return customKind(name)
}

// customKind makes a type of a name such as n2-custom-4-8192, if there can be one. Those
// of the family N1 need not say so.
func customKind(name string) (kind, bool) {
	parts := regexp.MustCompile(`^(?:(n1|n2|n2d|e2)-)?custom-(\d{1,3})-(\d{1,6})(-ext)?$`).FindStringSubmatch(name)
	if parts == nil {
		return kind{}, false
	}
	cpus, _ := strconv.Atoi(parts[2])     // digits, and few
	memoryMB, _ := strconv.Atoi(parts[3]) // digits, and few
	k := kind{
		name: name, arch: "X86_64", cpus: cpus, memoryMB: memoryMB, metric: "CPUS",
		text: fmt.Sprintf("Custom created machine type. %d vCPUs, %v GB RAM", cpus, float64(memoryMB)/1024),
	}
	r := customRule{least: 0.5, most: 8, steps: 2, largest: 80}
	switch parts[1] {
	case "", "n1":
		r = customRule{least: 0.9, most: 6.5, steps: min(2, cpus), largest: 96}
	case "n2":
		k.metric = "N2_CPUS"
		if cpus > 32 {
			r.steps = 4
		}
	case "n2d":
		k.metric, r.largest = "N2D_CPUS", 96
		if cpus > 16 {
			r.steps = 16
		} else if cpus > 2 {
			r.steps = 4
		}
	case "e2":
		r.largest, r.memory = 32, 128<<10
	}
	if parts[4] != "" {
		r.most = 100
	}
	return k, cpus > 0 && r.allows(cpus, memoryMB)
}

// customRule says which sizes there can be of a family: GB for a vCPU, vCPUs, and MB in
// all where that has a limit.
type customRule struct {
	least, most    float64
	steps, largest int
	memory         int
}

func (r customRule) allows(cpus, memoryMB int) bool {
	each := float64(memoryMB) / 1024 / float64(cpus)
	return cpus%r.steps == 0 && cpus <= r.largest && memoryMB%256 == 0 && each >= r.least && each <= r.most &&
		(r.memory == 0 || memoryMB <= r.memory)
}

// offered reports whether a zone has the type.
func (k kind) offered(zone string) bool {
	return k.zones == "" || slices.Contains(strings.Fields(k.zones), zone)
}

// gpu is a kind of accelerator, which machines of the family N1 can be given.
type gpu struct {
	name, text, metric, zones string
	most                      int
	apart                     bool // to be given to others, and not only part of a type
}

func gpus() []gpu {
	return []gpu{
		{name: "nvidia-l4", text: "NVIDIA L4", metric: "NVIDIA_L4_GPUS", zones: l4Zones, most: 8},
		{name: "nvidia-tesla-a100", text: "NVIDIA A100 40GB", metric: "NVIDIA_A100_GPUS", zones: a100Zones, most: 16},
		{name: "nvidia-tesla-t4", text: "NVIDIA T4", metric: "NVIDIA_T4_GPUS", zones: t4Zones, most: 4, apart: true},
		{name: "nvidia-tesla-v100", text: "NVIDIA V100", metric: "NVIDIA_V100_GPUS", zones: v100Zones, most: 8, apart: true},
	}
}

func gpuNamed(name string) (gpu, bool) {
	all := gpus()
	at := slices.IndexFunc(all, func(g gpu) bool { return g.name == name })
	if at < 0 {
		return gpu{}, false
	}
	return all[at], true
}

func gpuMetric(name string) string {
	g, _ := gpuNamed(name)
	return g.metric
}

func (g gpu) offered(zone string) bool { return slices.Contains(strings.Fields(g.zones), zone) }
