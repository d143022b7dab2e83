// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Type is a type of machine.
type Type struct {
	// Name is what it is launched by. No two types of a region have the same one.
	Name string
	CPUs float64
	// Memory is in GiB.
	Memory float64
	// Accelerators is "NAME:count" in the names SkyPilot has for them, or empty.
	Accelerators string
	// Architecture is in Go's words.
	Architecture string
	// Markets are those it is sold in.
	Markets []serve.Market
	// Special is a type nobody wants who does not name it: it is bare metal, say, or
	// of a generation that is not made any more.
	Special bool
}

// SortTypes puts the smallest first.
func SortTypes(all []Type) {
	slices.SortFunc(all, func(a, b Type) int {
		return cmp.Or(cmp.Compare(a.CPUs, b.CPUs), cmp.Compare(a.Memory, b.Memory), strings.Compare(a.Name, b.Name))
	})
}

// TypeNamed gives the type of a name, of those of a region; serve.ErrInvalid if there
// is none.
func TypeNamed(all []Type, name, region string) (Type, error) {
	i := slices.IndexFunc(all, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, fmt.Errorf("%w: there is no type of machine %q in %s", serve.ErrInvalid, name, region)
	}
	return all[i], nil
}

// Wanted is what a resource asks of a machine.
type Wanted struct {
	serve.Resource
	// Processors and GiB are CPUs and Memory as they were read.
	Processors, GiB serve.Amount
	// Accelerator is the name of an accelerator, empty for none, and Count how many of
	// them, which may be less than one.
	Accelerator string
	Count       float64
}

// WantedBy reads a resource; serve.ErrInvalid for one that cannot be read.
func WantedBy(r serve.Resource) (Wanted, error) {
	w := Wanted{Resource: r}
	var err, failed error
	w.Processors, err = serve.ParseAmount(r.CPUs)
	failed = errors.Join(failed, err)
	w.GiB, err = serve.ParseMemory(r.Memory)
	failed = errors.Join(failed, err)
	w.Accelerator, w.Count, err = serve.ParseAccelerators(r.Accelerators)
	if failed = errors.Join(failed, err); failed != nil {
		return Wanted{}, fmt.Errorf("%w: %w", serve.ErrInvalid, failed)
	}
	return w, nil
}

// leastMemory is what a machine has at least, in GiB, unless it is named: with
// less no ordinary program starts.
const leastMemory = 1

// Fits reports whether a machine of a type will do. One of another architecture
// than most programs are made for is taken only when it is named.
func (w Wanted) Fits(t Type) bool {
	if !w.Processors.Fits(t.CPUs) || !w.GiB.Fits(t.Memory) || !w.fitsAccelerator(t) {
		return false
	}
	if w.InstanceType != "" {
		return t.Name == w.InstanceType
	}
	return !t.Special && t.Architecture == "amd64" && t.Memory >= leastMemory && (w.Accelerator != "" || t.Accelerators == "")
}

func (w Wanted) fitsAccelerator(t Type) bool {
	if w.Accelerator == "" {
		return true
	}
	name, count, err := serve.ParseAccelerators(t.Accelerators)
	return err == nil && strings.EqualFold(name, w.Accelerator) && count == math.Ceil(w.Count)
}
