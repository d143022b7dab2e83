// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhichMachineWillDo(t *testing.T) {
	t.Parallel()
	plain := Type{Name: "m7i.large", CPUs: 2, Memory: 8, Architecture: "amd64"}
	tiny := Type{Name: "t3.nano", CPUs: 2, Memory: 0.5, Architecture: "amd64"}
	arm := Type{Name: "m7g.large", CPUs: 2, Memory: 8, Architecture: "arm64"}
	old := Type{Name: "m1.large", CPUs: 2, Memory: 7.5, Architecture: "amd64", Special: true}
	gpu := Type{Name: "g5.xlarge", CPUs: 4, Memory: 16, Accelerators: "A10G:1", Architecture: "amd64"}
	for _, row := range []struct {
		name string
		r    serve.Resource
		m    Type
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
		w, err := WantedBy(row.r)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Fits(row.m); got != row.fits {
			t.Errorf("%s: %s fits %+v: %v", row.name, row.m.Name, row.r, got)
		}
	}
}
