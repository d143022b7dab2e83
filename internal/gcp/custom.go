// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// step is what the memory of a machine that is made to measure is a multiple of, in GiB.
const step = 0.25

// series is what machines of a series can be when they are made to measure.
type series struct {
	name string
	// cpus says which numbers of processors there are.
	cpus func(n int) bool
	most int
	// least and most memory there is for each processor, and for all, in GiB.
	leastMemory, mostMemory, allMemory float64
}

// madeToMeasure are the series of which there are such machines, as "Create a VM with
// a custom machine type" of Compute Engine's documentation has them.
func madeToMeasure() []series {
	even := func(n int) bool { return n%2 == 0 }
	return []series{
		{"e2", even, 32, 0.5, 8, 128},
		{"n4", even, 80, 2, 8, 640},
		{"n2", func(n int) bool { return even(n) && (n <= 32 || n%4 == 0) }, 80, 0.5, 8, 640},
		{"n2d", func(n int) bool { return slices.Contains([]int{2, 4, 8}, n) || n%16 == 0 }, 96, 0.5, 8, 768},
		{"n1", func(n int) bool { return n == 1 || even(n) }, 96, 0.9, 6.5, 624},
	}
}

// sized gives the machine with so many processors, and so much memory; false if there
// is none.
func (s series) sized(cpus int, memory float64) (fleet.Type, bool) {
	if cpus < 1 || cpus > s.most || !s.cpus(cpus) || math.Mod(memory, step) != 0 ||
		memory < s.leastMemory*float64(cpus) || memory > min(s.mostMemory*float64(cpus), s.allMemory) {
		return fleet.Type{}, false
	}
	return fleet.Type{
		Name: fmt.Sprintf("%s-custom-%d-%d", s.name, cpus, int(memory*1024)),
		CPUs: float64(cpus), Memory: memory, Architecture: "amd64", Markets: []serve.Market{serve.Spot, serve.OnDemand},
	}, true
}

// customNamed reads a name such as "n2-custom-6-10240".
func customNamed(name string) (fleet.Type, bool) {
	parts := regexp.MustCompile(`^([a-z0-9]+)-custom-([0-9]+)-([0-9]+)$`).FindStringSubmatch(name)
	if parts == nil {
		return fleet.Type{}, false
	}
	cpus, wrong := strconv.Atoi(parts[2])
	memory, bad := strconv.Atoi(parts[3])
	for _, s := range madeToMeasure() {
		if s.name == parts[1] && wrong == nil && bad == nil {
			return s.sized(cpus, float64(memory)/1024)
		}
	}
	return fleet.Type{}, false
}

// usualMemory is what machines have for each processor, in GiB, when no memory is asked
// for.
const usualMemory = 4

// smallest gives the smallest machine of the series that has what is wanted.
func (s series) smallest(cpus, memory serve.Amount) (fleet.Type, bool) {
	for n := max(1, int(cpus.Value)); n <= s.most; n++ {
		if !cpus.Fits(float64(n)) {
			continue
		}
		size := memory.Value
		if memory == (serve.Amount{AtLeast: true}) {
			size = usualMemory * float64(n)
		} else if memory.AtLeast {
			size = max(size, s.leastMemory*float64(n))
		}
		if m, ok := s.sized(n, math.Ceil(size/step)*step); ok && memory.Fits(m.Memory) {
			return m, true
		}
	}
	return fleet.Type{}, false
}

// custom gives the machines made to measure that are smaller than all ready-made ones of
// their series which would do. It takes somebody who names processors, and memory too
// unless nothing ready-made will do: otherwise all would be worth less than nothing.
func (z zoneTypes) custom(w fleet.Wanted) []fleet.Type {
	ready := slices.DeleteFunc(slices.Clone(z.types), func(t fleet.Type) bool { return !w.Fits(t) })
	if w.InstanceType != "" || w.CPUs == "" || w.Memory == "" && len(ready) > 0 {
		return nil
	}
	var all []fleet.Type
	for _, s := range madeToMeasure() {
		m, ok := s.smallest(w.Processors, w.GiB)
		if !ok || !z.has(s.name) {
			continue
		}
		if !slices.ContainsFunc(ready, func(t fleet.Type) bool {
			return seriesOf(t.Name) == s.name && t.CPUs <= m.CPUs && t.Memory <= m.Memory
		}) {
			all = append(all, m)
		}
	}
	return all
}

// launchedAs gives what a type is called by whoever launches it: of the series N1 those
// made to measure are older than the names of series.
func launchedAs(name string) string {
	if isCustom(name) {
		return strings.TrimPrefix(name, "n1-")
	}
	return name
}

// isCustom reports whether a name is one of a machine made to measure.
func isCustom(name string) bool { return strings.Contains(name, "-custom-") }
