// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// catalogLifetime is for how long what types and regular prices there are is
// believed.
const catalogLifetime = 24 * time.Hour

// catalog is what can be had in a region.
type catalog struct {
	types fleet.Answers[[]fleet.Type]
	// For types that were asked for: the zones that have it, and what it costs.
	zones   fleet.Answers[[]string]
	spot    fleet.Answers[map[string]float64]
	regular fleet.Answers[float64]
}

// typesOf gives all types that a region knows.
func (s *site) typesOf(ctx context.Context) ([]fleet.Type, error) {
	return s.catalog.types.One(ctx, catalogLifetime, "", s.askTypes)
}

func (s *site) askTypes(ctx context.Context) ([]fleet.Type, error) {
	var all []fleet.Type
	pages := ec2.NewDescribeInstanceTypesPaginator(s.ec2, &ec2.DescribeInstanceTypesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking which types of instances there are in %s: %w", s.region, meaning(err))
		}
		for _, t := range page.InstanceTypes {
			if m, ok := machineTypeOf(t); ok {
				all = append(all, m)
			}
		}
	}
	fleet.SortTypes(all)
	return all, nil
}

// typeNamed gives the type of a name.
func (s *site) typeNamed(ctx context.Context, name string) (fleet.Type, error) {
	all, err := s.typesOf(ctx)
	if err != nil {
		return fleet.Type{}, err
	}
	return fleet.TypeNamed(all, name, s.region)
}

// machineTypeOf reads what EC2 says of a type; ok is false for one that our
// program does not run on.
func machineTypeOf(t types.InstanceTypeInfo) (m fleet.Type, ok bool) {
	m = fleet.Type{Name: string(t.InstanceType), Special: !aws.ToBool(t.CurrentGeneration) || aws.ToBool(t.BareMetal)}
	if t.VCpuInfo == nil || t.MemoryInfo == nil || t.ProcessorInfo == nil {
		return m, false
	}
	m.CPUs = float64(aws.ToInt32(t.VCpuInfo.DefaultVCpus))
	m.Memory = float64(aws.ToInt64(t.MemoryInfo.SizeInMiB)) / 1024
	for _, a := range t.ProcessorInfo.SupportedArchitectures {
		if goArchitecture(string(a)) != "" {
			m.Architecture = goArchitecture(string(a))
			break
		}
	}
	for _, u := range t.SupportedUsageClasses {
		switch u {
		case types.UsageClassTypeSpot:
			m.Markets = append(m.Markets, serve.Spot)
		case types.UsageClassTypeOnDemand:
			m.Markets = append(m.Markets, serve.OnDemand)
		}
	}
	if t.GpuInfo != nil {
		for _, g := range t.GpuInfo.Gpus {
			m.Accelerators = gpuName(g) + ":" + strconv.Itoa(int(aws.ToInt32(g.Count)))
		}
	}
	return m, m.Architecture != ""
}

// goArchitecture gives an architecture in Go's words; empty for one that there is
// no program for.
func goArchitecture(name string) string {
	switch name {
	case "x86_64":
		return "amd64"
	case "arm64":
		return "arm64"
	}
	return ""
}

// awsArchitecture gives an architecture in the words of AWS.
func awsArchitecture(name string) string {
	if name == "amd64" {
		return "x86_64"
	}
	return name
}

// gpuName gives an accelerator the name SkyPilot has for it: there are two A100,
// told apart by their memory.
func gpuName(g types.GpuDeviceInfo) string {
	name := strings.ReplaceAll(aws.ToString(g.Name), " ", "-")
	if name == "A100" && g.MemoryInfo != nil && aws.ToInt32(g.MemoryInfo.SizeInMiB) > 60<<10 {
		name = "A100-80GB"
	}
	return name
}
