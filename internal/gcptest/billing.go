// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
)

// computeService is Compute Engine in the price list.
const computeService = "services/6F81-5844-456A"

// sku is an entry of the price list.
type sku struct {
	description, family, group, usage, unit string
	price                                   float64
	regions                                 []string
}

// rate is what the parts of machines of a series cost in Iowa on demand, by the words
// that the price list has for the series.
type rate struct {
	words     string
	group     string // of processors and memory, if they have one together
	core, ram float64
}

// rates are those of August 2026, rounded.
func rates() []rate {
	return []rate{
		{words: "E2 Instance", core: 0.021812, ram: 0.002924}, {words: "N1 Predefined Instance", group: "N1Standard", core: 0.031611, ram: 0.004237},
		{words: "Custom Instance", core: 0.033174, ram: 0.004446}, {words: "N2 Instance", core: 0.031611, ram: 0.004237},
		{words: "N2 Custom Instance", core: 0.033191, ram: 0.004449}, {words: "N2D AMD Instance", core: 0.027502, ram: 0.003686},
		{words: "N2D AMD Custom Instance", core: 0.028877, ram: 0.00387}, {words: "Compute optimized", core: 0.03398, ram: 0.00455},
		{words: "C3 Instance", core: 0.03465, ram: 0.003938}, {words: "T2A Arm Instance", core: 0.0245, ram: 0.0033},
		{words: "A2 Instance", core: 0.031611, ram: 0.004237}, {words: "G2 Instance", core: 0.024988, ram: 0.002927},
	}
}

// acceleratorRates are what one of them costs in Iowa on demand.
func acceleratorRates() map[string]float64 {
	return map[string]float64{
		"Nvidia Tesla T4 GPU": 0.35, "Nvidia Tesla V100 GPU": 2.48, "Nvidia Tesla P100 GPU": 1.46, "Nvidia Tesla P4 GPU": 0.6,
		"Nvidia L4 GPU": 0.56, "Nvidia Tesla A100 GPU": 2.933908, "Nvidia Tesla A100 80GB GPU": 3.92808,
	}
}

// tariff is where something costs the same.
type tariff struct {
	name    string // in the price list
	regions []string
	factor  float64 // by how much it is dearer than Iowa
	spot    float64 // what a spot machine costs of an on-demand one
}

func tariffs() []tariff {
	return []tariff{
		{"Americas", []string{"us-central1", "us-east1"}, 1, 0.3},
		{"Netherlands", []string{"europe-west4"}, 1.1, 0.4},
	}
}

// skus are the price list of Compute Engine, as far as it is about the machines that
// there are here, and some more that nobody is to take for them.
func skus() []sku {
	var list []sku
	add := func(family, group, usage, unit string, regions []string, price float64, description string, args ...any) {
		list = append(list, sku{fmt.Sprintf(description, args...), family, group, usage, unit, price, regions})
	}
	for _, t := range tariffs() {
		for _, r := range rates() {
			for _, p := range []struct {
				part, group, unit string
				price             float64
			}{{"Core", "CPU", "h", r.core}, {"Ram", "RAM", "GiBy.h", r.ram}} {
				group := p.group
				if r.group != "" {
					group = r.group
				}
				price := p.price * t.factor
				add("Compute", group, "OnDemand", p.unit, t.regions, price, "%s %s running in %s", r.words, p.part, t.name)
				add("Compute", group, "Preemptible", p.unit, t.regions, price*t.spot, "Spot Preemptible %s %s running in %s", r.words, p.part, t.name)
				add("Compute", group, "Commit1Yr", p.unit, t.regions, price*0.6, "Commitment v1: %s %s in %s for 1 Year", r.words, p.part, t.name)
				add("Compute", group, "OnDemand", p.unit, t.regions, price*0.1, "Sole Tenancy Premium for %s %s running in %s", r.words, p.part, t.name)
				add("Compute", group, "OnDemand", p.unit, t.regions, 0, "Reserved %s %s in %s", r.words, p.part, t.name)
			}
		}
		for words, price := range acceleratorRates() {
			price *= t.factor
			add("Compute", "GPU", "OnDemand", "h", t.regions, price, "%s running in %s", words, t.name)
			add("Compute", "GPU", "Preemptible", "h", t.regions, price*t.spot, "%s attached to Spot Preemptible VMs running in %s", words, t.name)
			add("Compute", "GPU", "OnDemand", "h", t.regions, price*1.5, "%s running in %s", strings.Replace(words, " GPU", " Virtual Workstation GPU", 1), t.name)
		}
		add("Storage", "SSD", "OnDemand", "GiBy.mo", t.regions, 0.17*t.factor, "SSD backed PD Capacity in %s", t.name)
	}
	slices.SortFunc(list, func(a, b sku) int { return strings.Compare(a.description, b.description) })
	return list
}

func (s sku) describe() fields {
	id := fmt.Sprintf("%016X", idOf("sku", s.description))
	id = id[:4] + "-" + id[4:8] + "-" + id[8:12]
	units := math.Floor(s.price)
	return fields{
		"name": computeService + "/skus/" + id, "skuId": id, "description": s.description, "serviceRegions": s.regions, "serviceProviderName": "Google",
		"category": fields{"serviceDisplayName": "Compute Engine", "resourceFamily": s.family, "resourceGroup": s.group, "usageType": s.usage},
		"pricingInfo": []fields{{
			"effectiveTime": stamp(made()), "currencyConversionRate": 1.0,
			"pricingExpression": fields{
				"usageUnit": s.unit, "displayQuantity": 1.0,
				"tieredRates": []fields{{
					"startUsageAmount": 0.0,
					"unitPrice":        fields{"currencyCode": "USD", "units": int64(units), "nanos": int(math.Round((s.price - units) * 1e9))},
				}},
			},
		}},
	}
}

func billingMethods() map[string]handler {
	return map[string]handler{"cloudbilling.services.skus.list": listSKUs}
}

// billingNeeds are no permissions: the price list is everybody's, for whom the API is
// enabled.
func billingNeeds(*call, fields) []need { return nil }

// NotEnabled is what an API says that nobody has enabled for a project.
func NotEnabled(api string) *Error {
	e := refusal(http.StatusForbidden, "accessNotConfigured", "%s has not been used in project %s before or it is disabled.", api, ProjectNumber)
	e.Domain = "usageLimits"
	return e
}

func listSKUs(c *call, _ fields) (fields, error) {
	if parent := c.param("parent"); parent != computeService {
		return nil, refusal(http.StatusNotFound, "notFound", "The service '%s' does not exist", parent)
	}
	if currency := c.param("currencyCode"); currency != "" && currency != "USD" {
		return nil, c.undone("currencyCode")
	}
	all := skus()
	from := 0
	if token := c.param("pageToken"); token != "" {
		if from = slices.IndexFunc(all, func(s sku) bool { return s.description == token }); from < 0 {
			return nil, invalid("Invalid page token.")
		}
	}
	// An answer may have fewer than were asked for.
	most := min(c.parameters.Number("pageSize", 5000), 1+c.random.IntN(len(all)))
	to := min(from+most, len(all))
	out := fields{}
	var page []fields
	for _, s := range all[from:to] {
		page = append(page, s.describe())
	}
	out["skus"] = page
	if to < len(all) {
		out["nextPageToken"] = all[to].description
	}
	return out, nil
}
