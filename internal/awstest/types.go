// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"slices"
	"strconv"
	"time"
)

func describeInstanceTypes(c *call, in fields) (fields, error) {
	offered := slices.DeleteFunc(kinds(), func(k kind) bool {
		_, ok := c.region.zone(k.offered)
		return !ok
	})
	list, err := require(offered, in.Texts("InstanceTypes"), func(k kind) string { return k.name }, func(name string) error {
		return refusal(400, "InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
	})
	if err != nil {
		return nil, err
	}
	if list, err = pick(list, in.Subs("Filters"), kind.facets); err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 100, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, k := range list {
		out = append(out, k.describe())
	}
	return fields{"InstanceTypes": out, "NextToken": next}, nil
}

func (k kind) facets() facets {
	return facets{
		"instance-type": {k.name}, "current-generation": {"true"}, "bare-metal": {"false"}, "hypervisor": {"nitro"},
		"burstable-performance-supported":       {strconv.FormatBool(k.burstable)},
		"instance-storage-supported":            {strconv.FormatBool(k.disks > 0)},
		"memory-info.size-in-mib":               {strconv.Itoa(k.memoryMiB)},
		"vcpu-info.default-vcpus":               {strconv.Itoa(k.vcpus())},
		"vcpu-info.default-cores":               {strconv.Itoa(k.cores)},
		"processor-info.supported-architecture": {k.arch},
		"supported-usage-class":                 {OnDemand, Spot},
		"supported-root-device-type":            {"ebs"},
		"supported-virtualization-type":         {"hvm"},
	}
}

func (k kind) describe() fields {
	out := fields{
		"InstanceType": k.name, "CurrentGeneration": true, "FreeTierEligible": false, "BareMetal": false, "Hypervisor": "nitro",
		"SupportedUsageClasses": []string{OnDemand, Spot}, "SupportedRootDeviceTypes": []string{"ebs"},
		"SupportedVirtualizationTypes": []string{"hvm"}, "SupportedBootModes": []string{"uefi"},
		"HibernationSupported": false, "BurstablePerformanceSupported": k.burstable, "DedicatedHostsSupported": true,
		"AutoRecoverySupported": true, "InstanceStorageSupported": k.disks > 0,
		"ProcessorInfo": fields{
			"SupportedArchitectures": []string{k.arch}, "SustainedClockSpeedInGhz": k.clock, "Manufacturer": k.processor,
		},
		"VCpuInfo":   fields{"DefaultVCpus": k.vcpus(), "DefaultCores": k.cores, "DefaultThreadsPerCore": k.threads},
		"MemoryInfo": fields{"SizeInMiB": k.memoryMiB},
		"EbsInfo":    fields{"EbsOptimizedSupport": "default", "EncryptionSupport": "supported", "NvmeSupport": "required"},
		"NetworkInfo": fields{
			"NetworkPerformance": k.network, "MaximumNetworkInterfaces": 3, "MaximumNetworkCards": 1, "DefaultNetworkCardIndex": 0,
			"Ipv4AddressesPerInterface": 10, "Ipv6AddressesPerInterface": 10, "Ipv6Supported": true, "EnaSupport": "required",
			"EfaSupported": k.gpus > 1, "EncryptionInTransitSupported": !k.burstable,
		},
		"PlacementGroupInfo": fields{"SupportedStrategies": []string{"partition", "spread"}},
	}
	if k.disks > 0 {
		out["InstanceStorageInfo"] = fields{
			"TotalSizeInGB": k.diskGB, "NvmeSupport": "required", "EncryptionSupport": "required",
			"Disks": []fields{{"SizeInGB": k.diskGB / k.disks, "Count": k.disks, "Type": "ssd"}},
		}
	}
	if k.gpus > 0 {
		out["GpuInfo"] = fields{
			"TotalGpuMemoryInMiB": k.gpus * k.gpuMiB,
			"Gpus": []fields{{
				"Name": k.gpu, "Manufacturer": "NVIDIA", "Count": k.gpus, "MemoryInfo": fields{"SizeInMiB": k.gpuMiB},
			}},
		}
	}
	return out
}

// offering is that a place has a type.
type offering struct{ kind, location string }

func describeInstanceTypeOfferings(c *call, in fields) (fields, error) {
	by := in.Text("LocationType")
	var list []offering
	for _, k := range kinds() {
		places := map[string]bool{}
		for _, z := range c.region.zones {
			if k.offered(z) {
				places[map[string]string{"availability-zone": z.name, "availability-zone-id": z.id}[by]] = true
			}
		}
		if _, named := places[""]; named { // neither: by region, which is what is asked when nothing is
			places = map[string]bool{c.region.name: true}
		}
		for _, at := range sortedKeys(places) {
			list = append(list, offering{k.name, at})
		}
	}
	list, err := pick(list, in.Subs("Filters"), func(o offering) facets {
		return facets{"instance-type": {o.kind}, "location": {o.location}}
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, nil)
	if err != nil {
		return nil, err
	}
	if by == "" {
		by = "region"
	}
	out := []fields{}
	for _, o := range list {
		out = append(out, fields{"InstanceType": o.kind, "Location": o.location, "LocationType": by})
	}
	return fields{"InstanceTypeOfferings": out, "NextToken": next}, nil
}

// quoted is one line of the history of spot prices.
type quoted struct {
	zone, kind, product string
	price
}

func describeSpotPriceHistory(c *call, in fields) (fields, error) {
	list := c.region.history(in.Moment("StartTime"), in.Moment("EndTime"), c.now)
	filters := in.Subs("Filters")
	for parameter, facet := range map[string]string{"InstanceTypes": "instance-type", "ProductDescriptions": "product-description"} {
		if in.Has(parameter) {
			filters = append(filters, fields{"Name": facet, "Values": in[parameter]})
		}
	}
	if in.Has("AvailabilityZone") {
		filters = append(filters, fields{"Name": "availability-zone", "Values": []any{in["AvailabilityZone"]}})
	}
	list, err := pick(list, filters, func(q quoted) facets {
		return facets{
			"availability-zone": {q.zone}, "instance-type": {q.kind}, "product-description": {q.product},
			"spot-price": {dollars(q.usd)}, "timestamp": {q.from.UTC().Format(time.RFC3339)},
		}
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 1, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, q := range list {
		out = append(out, fields{
			"AvailabilityZone": q.zone, "InstanceType": q.kind, "ProductDescription": q.product, "SpotPrice": dollars(q.usd), "Timestamp": q.from,
		})
	}
	if next == nil {
		next = "" // which is how this action says that there is no more
	}
	return fields{"SpotPriceHistory": out, "NextToken": next}, nil
}

// history gives what was charged between two moments, the newest first: every
// change, and the price that was in force at the beginning. For Windows it is
// always dearer, which is there to be told apart.
func (r *region) history(start, end, now time.Time) []quoted {
	if end.IsZero() {
		end = now
	}
	if start.IsZero() {
		start = now.AddDate(0, 0, -90)
	}
	var out []quoted
	for _, k := range kinds() {
		for _, z := range r.zones {
			for _, p := range between(r.prices[z.name+" "+k.name], start, end) {
				windows := price{p.from, p.usd + 0.046*float64(k.vcpus())}
				out = append(out, quoted{z.name, k.name, "Linux/UNIX", p}, quoted{z.name, k.name, "Windows", windows})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b quoted) int { return b.from.Compare(a.from) })
	return out
}

func between(prices []price, start, end time.Time) []price {
	first := 0
	for at, p := range prices {
		if !p.from.After(start) {
			first = at
		}
	}
	return slices.DeleteFunc(slices.Clone(prices[min(first, len(prices)):]), func(p price) bool { return p.from.After(end) })
}
