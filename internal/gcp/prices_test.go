// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"math"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhatAnEntryOfThePriceListIsFor(t *testing.T) {
	t.Parallel()
	for description, want := range map[string]part{
		"E2 Instance Core running in Americas":                                           {"core", "e2"},
		"Spot Preemptible E2 Instance Ram running in Netherlands":                        {"ram", "e2"},
		"N1 Predefined Instance Core running in Americas":                                {"core", "n1"},
		"Custom Instance Core running in Americas":                                       {"core", "n1 custom"},
		"Spot Preemptible Custom Instance Ram running in Americas":                       {"ram", "n1 custom"},
		"N2 Custom Instance Core running in Americas":                                    {"core", "n2 custom"},
		"Spot Preemptible N2D AMD Custom Instance Core running in Americas":              {"core", "n2d custom"},
		"N2D AMD Instance Ram running in Frankfurt":                                      {"ram", "n2d"},
		"Compute optimized Core running in Americas":                                     {"core", "c2"},
		"T2A Arm Instance Core running in Americas":                                      {"core", "t2a"},
		"Sole Tenancy Premium for N2 Instance Core running in Americas":                  {},
		"Commitment v1: N2 Cpu in Americas for 1 Year":                                   {},
		"Reserved N2 Instance Core in Americas":                                          {},
		"M3 Memory-optimized Instance Core running in Americas":                          {},
		"Network Internet Egress from Americas to Americas":                              {},
		"Nvidia Tesla T4 GPU running in Americas":                                        {"gpu", "T4"},
		"Nvidia Tesla T4 GPU attached to Spot Preemptible VMs running in x":              {"gpu", "T4"},
		"Nvidia Tesla A100 80GB GPU running in Americas":                                 {"gpu", "A100-80GB"},
		"Nvidia Tesla T4 Virtual Workstation GPU running in Americas":                    {},
		"Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Americas":              {"gpu", "B200"},
		"Commitment v1: Nvidia L4 GPU running in Americas for 1 Year":                    {},
		"Nvidia H100 80GB Mega GPU attached to Spot Preemptible VMs running in Americas": {"gpu", "H100-MEGA"},
	} {
		group := "CPU"
		if want.kind == "gpu" {
			group = "GPU"
		}
		if got, ok := partOf(description, group); got != want || ok != (want != part{}) {
			t.Errorf("%s: got %+v, %v; want %+v", description, got, ok, want)
		}
	}
}

func TestThePricesThatComeWithTheProgram(t *testing.T) {
	t.Parallel()
	list, date, err := shipped()
	if err != nil || date == "" {
		t.Fatalf("they are of %q, %v", date, err)
	}
	for _, row := range []struct {
		t      fleet.Type
		region string
		market serve.Market
		want   float64 // as Google's pages have it, 0 for none
	}{
		{fleet.Type{Name: "e2-standard-2", CPUs: 2, Memory: 8}, "us-central1", serve.OnDemand, 0.06701},
		{fleet.Type{Name: "e2-medium", CPUs: 2, Memory: 4}, "us-central1", serve.OnDemand, 0.03351},
		{fleet.Type{Name: "e2-standard-2", CPUs: 2, Memory: 8}, "europe-west3", serve.OnDemand, 0.08632},
		{fleet.Type{Name: "n1-custom-2-4096", CPUs: 2, Memory: 4}, "us-central1", serve.OnDemand, 0.08413},
		{fleet.Type{Name: "g2-standard-4", CPUs: 4, Memory: 16, Accelerators: "L4:1"}, "us-central1", serve.OnDemand, 0.70683},
		{fleet.Type{Name: "a2-highgpu-1g", CPUs: 12, Memory: 85, Accelerators: "A100:1"}, "us-central1", serve.OnDemand, 3.67348},
		{fleet.Type{Name: "n1-standard-4", CPUs: 4, Memory: 15, Accelerators: "T4:2"}, "us-central1", serve.OnDemand, 0.89},
		{fleet.Type{Name: "e2-standard-2", CPUs: 2, Memory: 8}, "us-central1", serve.Spot, 0.4 * 0.06701},
		{fleet.Type{Name: "m3-ultramem-32", CPUs: 32, Memory: 976}, "us-central1", serve.OnDemand, 0},
		{fleet.Type{Name: "e2-standard-2", CPUs: 2, Memory: 8}, "moon-west1", serve.OnDemand, 0},
	} {
		got, sold := list[tariff{row.region, row.market}].of(row.t)
		if sold != (row.want > 0) || math.Abs(got-row.want) > row.want/500 {
			t.Errorf("%s in %s, %s: got $%g, %v; want $%g", row.t.Name, row.region, row.market, got, sold, row.want)
		}
	}
}
