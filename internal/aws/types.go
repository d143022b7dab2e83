// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
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
	types fleet.Answers[[]machineType]
	// For types that were asked for: the zones that have it, and what it costs.
	zones   fleet.Answers[[]string]
	spot    fleet.Answers[map[string]float64]
	regular fleet.Answers[float64]
}

// machineType is a type of instance.
type machineType struct {
	name string
	cpus float64
	// memory is in GiB.
	memory float64
	// accelerators is "NAME:count", or empty.
	accelerators string
	// architecture is in Go's words, and awsArchitecture in those of AWS.
	architecture, awsArchitecture string
	// markets are those it is sold in.
	markets []serve.Market
	// special is a type nobody wants who does not name it: it has no disk of its own
	// on the network, is bare metal, or of a generation that is not made any more.
	special bool
}

// typesOf gives all types that a region knows.
func (s *site) typesOf(ctx context.Context) ([]machineType, error) {
	return s.catalog.types.One(ctx, catalogLifetime, "", s.askTypes)
}

func (s *site) askTypes(ctx context.Context) ([]machineType, error) {
	var all []machineType
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
	slices.SortFunc(all, func(a, b machineType) int {
		return cmp.Or(cmp.Compare(a.cpus, b.cpus), cmp.Compare(a.memory, b.memory), strings.Compare(a.name, b.name))
	})
	return all, nil
}

// typeNamed gives the type of a name.
func (s *site) typeNamed(ctx context.Context, name string) (machineType, error) {
	all, err := s.typesOf(ctx)
	if err != nil {
		return machineType{}, err
	}
	i := slices.IndexFunc(all, func(m machineType) bool { return m.name == name })
	if i < 0 {
		return machineType{}, fmt.Errorf("%w: there is no instance type %q in %s", serve.ErrInvalid, name, s.region)
	}
	return all[i], nil
}

// machineTypeOf reads what EC2 says of a type; ok is false for one that our
// program does not run on.
func machineTypeOf(t types.InstanceTypeInfo) (m machineType, ok bool) {
	m = machineType{name: string(t.InstanceType), special: !aws.ToBool(t.CurrentGeneration) || aws.ToBool(t.BareMetal)}
	if t.VCpuInfo == nil || t.MemoryInfo == nil || t.ProcessorInfo == nil {
		return m, false
	}
	m.cpus = float64(aws.ToInt32(t.VCpuInfo.DefaultVCpus))
	m.memory = float64(aws.ToInt64(t.MemoryInfo.SizeInMiB)) / 1024
	for _, a := range t.ProcessorInfo.SupportedArchitectures {
		if goArchitecture(string(a)) != "" {
			m.awsArchitecture, m.architecture = string(a), goArchitecture(string(a))
			break
		}
	}
	for _, u := range t.SupportedUsageClasses {
		switch u {
		case types.UsageClassTypeSpot:
			m.markets = append(m.markets, serve.Spot)
		case types.UsageClassTypeOnDemand:
			m.markets = append(m.markets, serve.OnDemand)
		}
	}
	if t.GpuInfo != nil {
		for _, g := range t.GpuInfo.Gpus {
			m.accelerators = gpuName(g) + ":" + strconv.Itoa(int(aws.ToInt32(g.Count)))
		}
	}
	return m, m.architecture != ""
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

// gpuName gives an accelerator the name SkyPilot has for it: there are two A100,
// told apart by their memory.
func gpuName(g types.GpuDeviceInfo) string {
	name := strings.ReplaceAll(aws.ToString(g.Name), " ", "-")
	if name == "A100" && g.MemoryInfo != nil && aws.ToInt32(g.MemoryInfo.SizeInMiB) > 60<<10 {
		name = "A100-80GB"
	}
	return name
}

// wanted is what a resource asks of a machine.
type wanted struct {
	r            serve.Resource
	cpus, memory serve.Amount
	accelerator  string
	count        float64
}

// wantedBy reads a resource; serve.ErrInvalid for one that cannot be read.
func wantedBy(r serve.Resource) (wanted, error) {
	w := wanted{r: r}
	var err, failed error
	w.cpus, err = serve.ParseAmount(r.CPUs)
	failed = errors.Join(failed, err)
	w.memory, err = serve.ParseMemory(r.Memory)
	failed = errors.Join(failed, err)
	w.accelerator, w.count, err = serve.ParseAccelerators(r.Accelerators)
	if failed = errors.Join(failed, err); failed != nil {
		return wanted{}, fmt.Errorf("%w: %w", serve.ErrInvalid, failed)
	}
	return w, nil
}

// leastMemory is what a machine has at least, in GiB, unless it is named: with
// less no ordinary program starts.
const leastMemory = 1

// fits reports whether a machine of a type will do. One of another architecture
// than most programs are made for is taken only when it is named.
func (w wanted) fits(m machineType) bool {
	if !w.cpus.Fits(m.cpus) || !w.memory.Fits(m.memory) || !w.fitsAccelerator(m) {
		return false
	}
	if w.r.InstanceType != "" {
		return m.name == w.r.InstanceType
	}
	return !m.special && m.architecture == "amd64" && m.memory >= leastMemory && (w.accelerator != "" || m.accelerators == "")
}

func (w wanted) fitsAccelerator(m machineType) bool {
	if w.accelerator == "" {
		return true
	}
	name, count, err := serve.ParseAccelerators(m.accelerators)
	return err == nil && strings.EqualFold(name, w.accelerator) && count == math.Ceil(w.count)
}
