// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhichMachineWillDo(t *testing.T) {
	t.Parallel()
	plain := machineType{name: "m7i.large", cpus: 2, memory: 8, architecture: "amd64"}
	tiny := machineType{name: "t3.nano", cpus: 2, memory: 0.5, architecture: "amd64"}
	arm := machineType{name: "m7g.large", cpus: 2, memory: 8, architecture: "arm64"}
	old := machineType{name: "m1.large", cpus: 2, memory: 7.5, architecture: "amd64", special: true}
	gpu := machineType{name: "g5.xlarge", cpus: 4, memory: 16, accelerators: "A10G:1", architecture: "amd64"}
	for _, row := range []struct {
		name string
		r    serve.Resource
		m    machineType
		fits bool
	}{
		{"anything is a plain machine", serve.Resource{}, plain, true},
		{"exactly two are two", serve.Resource{CPUs: "2"}, plain, true},
		{"at least two are four", serve.Resource{CPUs: "2+", Accelerators: "A10G"}, gpu, true},
		{"exactly four are not two", serve.Resource{CPUs: "4"}, plain, false},
		{"memory counts, too", serve.Resource{Memory: "16+"}, plain, false},
		{"too little memory is taken by nobody", serve.Resource{CPUs: "2+"}, tiny, false},
		{"unless it is named", serve.Resource{InstanceType: "t3.nano"}, tiny, true},
		{"another architecture is not taken", serve.Resource{CPUs: "2+"}, arm, false},
		{"unless it is named", serve.Resource{InstanceType: "m7g.large"}, arm, true},
		{"what is not made any more is not taken", serve.Resource{CPUs: "2+"}, old, false},
		{"unless it is named", serve.Resource{InstanceType: "m1.large"}, old, true},
		{"a named machine must also be as it is described", serve.Resource{InstanceType: "m7i.large", CPUs: "4+"}, plain, false},
		{"an accelerator is not taken unasked", serve.Resource{CPUs: "2+"}, gpu, false},
		{"an accelerator by any spelling", serve.Resource{Accelerators: "a10g:1"}, gpu, true},
		{"as many as are asked for", serve.Resource{Accelerators: "A10G:4"}, gpu, false},
		{"another accelerator", serve.Resource{Accelerators: "L4"}, gpu, false},
	} {
		w, err := wantedBy(row.r)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.fits(row.m); got != row.fits {
			t.Errorf("%s: %s fits %+v: %v", row.name, row.m.name, row.r, got)
		}
	}
}

func TestWhatEC2SaysOfAType(t *testing.T) {
	t.Parallel()
	gpu := func(name string, memory int32) *types.GpuInfo {
		return &types.GpuInfo{Gpus: []types.GpuDeviceInfo{{Name: aws.String(name), Count: aws.Int32(8), MemoryInfo: &types.GpuDeviceMemoryInfo{SizeInMiB: aws.Int32(memory)}}}}
	}
	info := types.InstanceTypeInfo{
		InstanceType: "p4de.24xlarge", CurrentGeneration: aws.Bool(true), BareMetal: aws.Bool(false),
		VCpuInfo: &types.VCpuInfo{DefaultVCpus: aws.Int32(96)}, MemoryInfo: &types.MemoryInfo{SizeInMiB: aws.Int64(1179648)},
		ProcessorInfo:         &types.ProcessorInfo{SupportedArchitectures: []types.ArchitectureType{"i386", "x86_64"}},
		SupportedUsageClasses: []types.UsageClassType{types.UsageClassTypeOnDemand, types.UsageClassTypeSpot},
		GpuInfo:               gpu("A100", 81920),
	}
	m, ok := machineTypeOf(info)
	if !ok || m.cpus != 96 || m.memory != 1152 || m.architecture != "amd64" || m.accelerators != "A100-80GB:8" || m.special || len(m.markets) != 2 {
		t.Errorf("got %+v, %v", m, ok)
	}
	info.GpuInfo = gpu("A100", 40960)
	if m, _ := machineTypeOf(info); m.accelerators != "A100:8" {
		t.Errorf("the smaller one is called %s", m.accelerators)
	}
	info.ProcessorInfo.SupportedArchitectures = []types.ArchitectureType{"x86_64_mac"}
	if m, ok := machineTypeOf(info); ok {
		t.Errorf("there is no program for %+v", m)
	}
}
