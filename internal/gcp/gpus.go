// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"math"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// gpu is a kind of accelerators.
type gpu struct {
	// name is SkyPilot's, and kind that of Compute Engine.
	name, kind string
	// sku is what the price list has it as.
	sku string
	// hosts are the machines of the series N1 that it can be attached to, and none if
	// it comes with types of its own: how large they may be, by how many there are.
	hosts []host
	// quota is what limits say for it.
	quota string
}

// host is the largest machine that so many accelerators are attached to.
type host struct {
	count        int
	cpus, memory float64
}

// gpus are the accelerators that there are. Which machines of the series N1 they go
// with is in "GPU machine types" of Compute Engine's documentation.
func gpus() []gpu {
	return []gpu{
		{name: "T4", kind: "nvidia-tesla-t4", sku: "Nvidia Tesla T4", quota: "NVIDIA_T4_GPUS", hosts: []host{{1, 48, 312}, {2, 48, 312}, {4, 96, 624}}},
		{name: "V100", kind: "nvidia-tesla-v100", sku: "Nvidia Tesla V100", quota: "NVIDIA_V100_GPUS", hosts: []host{{1, 12, 78}, {2, 24, 156}, {4, 48, 312}, {8, 96, 624}}},
		{name: "P100", kind: "nvidia-tesla-p100", sku: "Nvidia Tesla P100", quota: "NVIDIA_P100_GPUS", hosts: []host{{1, 16, 104}, {2, 32, 208}, {4, 64, 208}}},
		{name: "P4", kind: "nvidia-tesla-p4", sku: "Nvidia Tesla P4", quota: "NVIDIA_P4_GPUS", hosts: []host{{1, 24, 156}, {2, 48, 312}, {4, 96, 624}}},
		{name: "L4", kind: "nvidia-l4", sku: "Nvidia L4", quota: "NVIDIA_L4_GPUS"},
		{name: "A100", kind: "nvidia-tesla-a100", sku: "Nvidia Tesla A100", quota: "NVIDIA_A100_GPUS"},
		{name: "A100-80GB", kind: "nvidia-a100-80gb", sku: "Nvidia Tesla A100 80GB", quota: "NVIDIA_A100_80GB_GPUS"},
		{name: "H100", kind: "nvidia-h100-80gb", sku: "Nvidia H100 80GB", quota: "NVIDIA_H100_GPUS"},
		{name: "H100-MEGA", kind: "nvidia-h100-mega-80gb", sku: "Nvidia H100 80GB Mega", quota: "NVIDIA_H100_MEGA_GPUS"},
		{name: "H200", kind: "nvidia-h200-141gb", sku: "H200 141GB", quota: "NVIDIA_H200_GPUS"},
		{name: "B200", kind: "nvidia-b200", sku: "A4 Nvidia B200 (1 gpu slice)", quota: "NVIDIA_B200_GPUS"},
		{name: "RTXPRO6000", kind: "nvidia-rtx-pro-6000", sku: "RTX 6000 96GB", quota: "NVIDIA_RTX_PRO_6000_GPUS"},
	}
}

// gpuOf gives the accelerators of a kind of Compute Engine.
func gpuOf(kind string) (gpu, bool) {
	for _, g := range gpus() {
		if g.kind == kind {
			return g, true
		}
	}
	return gpu{}, false
}

// gpuNamed gives the accelerators of a name, in whatever letters.
func gpuNamed(name string) (gpu, bool) {
	for _, g := range gpus() {
		if strings.EqualFold(g.name, name) {
			return g, true
		}
	}
	return gpu{}, false
}

// attached gives the types of the series N1 that a zone has with the accelerators that
// are wanted attached to them.
func (z zoneTypes) attached(w fleet.Wanted) []fleet.Type {
	count := int(math.Ceil(w.Count))
	g, ok := gpuNamed(w.Accelerator)
	if !ok || z.attachable[g.name] < count {
		return nil
	}
	var with []fleet.Type
	for _, h := range g.hosts {
		for _, t := range z.types {
			if h.count == count && seriesOf(t.Name) == "n1" && t.CPUs <= h.cpus && t.Memory <= h.memory {
				t.Accelerators = accelerators(g.name, count)
				with = append(with, t)
			}
		}
	}
	return with
}

// attaches gives what of a machine's accelerators is to be attached to it; those of
// other series come with the type.
func attaches(t fleet.Type) (g gpu, count int32, ok bool) {
	name, n, err := serve.ParseAccelerators(t.Accelerators)
	g, ok = gpuNamed(name)
	return g, int32(n), ok && err == nil && len(g.hosts) > 0
}
