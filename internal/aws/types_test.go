// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

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
	if !ok || m.CPUs != 96 || m.Memory != 1152 || m.Architecture != "amd64" || m.Accelerators != "A100-80GB:8" || m.Special || len(m.Markets) != 2 {
		t.Errorf("got %+v, %v", m, ok)
	}
	info.GpuInfo = gpu("A100", 40960)
	if m, _ := machineTypeOf(info); m.Accelerators != "A100:8" {
		t.Errorf("the smaller one is called %s", m.Accelerators)
	}
	info.ProcessorInfo.SupportedArchitectures = []types.ArchitectureType{"x86_64_mac"}
	if m, ok := machineTypeOf(info); ok {
		t.Errorf("there is no program for %+v", m)
	}
}
