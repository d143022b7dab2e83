// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

func pricingActions() map[string]handler { return map[string]handler{"GetProducts": getProducts} }

// product is one line of the price list of EC2.
type product struct {
	attributes map[string]string
	usd        float64
}

// products gives the price list, which is the same from wherever it is asked.
// Each type is on it thrice: as most people have it, with Windows, and as a
// reservation that nobody has made and that so costs nothing. Whoever asks for too
// little gets them all.
func products() []product {
	var out []product
	for _, region := range regionNames() {
		_, long, _ := place(region)
		for _, k := range kinds() {
			for _, way := range []struct {
				system, status, usage string
				usd                   float64
			}{
				{"Linux", "Used", "BoxUsage", k.onDemand(region)},
				{"Windows", "Used", "BoxUsage", k.onDemand(region) + 0.046*float64(k.vcpus())},
				{"Linux", "UnusedCapacityReservation", "UnusedBox", k.onDemand(region)},
				{"Linux", "AllocatedCapacityReservation", "Reservation", 0},
			} {
				out = append(out, product{usd: way.usd, attributes: map[string]string{
					"servicecode": "AmazonEC2", "servicename": "Amazon Elastic Compute Cloud", "regionCode": region, "location": long,
					"locationType": "AWS Region", "instanceType": k.name, "instanceFamily": family(k), "operatingSystem": way.system,
					"preInstalledSw": "NA", "licenseModel": "No License required", "tenancy": "Shared", "capacitystatus": way.status,
					"marketoption": "OnDemand", "currentGeneration": "Yes", "vcpu": strconv.Itoa(k.vcpus()),
					"memory": strconv.Itoa(k.memoryMiB/1024) + " GiB", "operation": "RunInstances", "usagetype": way.usage + ":" + k.name,
					"networkPerformance": k.network,
				}})
			}
		}
	}
	return out
}

func family(k kind) string {
	switch {
	case k.gpus > 0:
		return "GPU instance"
	case k.name[0] == 'c':
		return "Compute optimized"
	case k.name[0] == 'r':
		return "Memory optimized"
	}
	return "General purpose"
}

func getProducts(_ *call, in fields) (fields, error) {
	if code := in.Text("ServiceCode"); code != "AmazonEC2" {
		return nil, refusal(400, "NotFoundException", "Service code %s is not known", code)
	}
	var found []product
	for _, p := range products() {
		fits := true
		for _, f := range in.Subs("Filters") {
			fits = fits && f.Text("Type") == "TERM_MATCH" && p.attributes[f.Text("Field")] == f.Text("Value")
		}
		if fits {
			found = append(found, p)
		}
	}
	if !in.Has("MaxResults") {
		in["MaxResults"] = int64(100)
	}
	found, next, err := page(found, in, 1, 100, nil)
	if err != nil {
		return nil, err
	}
	lines := []string{}
	for _, p := range found {
		lines = append(lines, p.line())
	}
	return fields{"FormatVersion": "aws_v1", "PriceList": lines, "NextToken": next}, nil
}

// line writes a product as the price list has it: JSON within JSON.
func (p product) line() string {
	const term, rate = "JRTCKXETXF", "6YS6EN2CT7" // on demand, by the hour, in every list there was
	sku := strings.ToUpper(hex16(hash(p.attributes["regionCode"], p.attributes["usagetype"], p.attributes["operatingSystem"])))
	price := strconv.FormatFloat(p.usd, 'f', 10, 64)
	line := map[string]any{
		"serviceCode": "AmazonEC2", "version": "20251110000000", "publicationDate": "2025-11-10T00:00:00Z",
		"product": map[string]any{"productFamily": "Compute Instance", "sku": sku, "attributes": p.attributes},
		"terms": map[string]any{"OnDemand": map[string]any{sku + "." + term: map[string]any{
			"sku": sku, "offerTermCode": term, "effectiveDate": "2025-11-01T00:00:00Z", "termAttributes": map[string]any{},
			"priceDimensions": map[string]any{sku + "." + term + "." + rate: map[string]any{
				"unit": "Hrs", "beginRange": "0", "endRange": "Inf", "appliesTo": []any{}, "rateCode": sku + "." + term + "." + rate,
				"description":  fmt.Sprintf("$%s per On Demand %s %s Instance Hour", price, p.attributes["operatingSystem"], p.attributes["instanceType"]),
				"pricePerUnit": map[string]any{"USD": price},
			}},
		}}},
	}
	b, _ := json.Marshal(line) // strings and maps can always be written
	return string(b)
}
