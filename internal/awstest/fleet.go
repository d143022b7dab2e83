// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// bid is one way to launch that a fleet may take.
type bid struct {
	told     fields // template and overrides, as answers name them
	in       fields // as RunInstances would be asked
	priority float64
}

// createFleet launches at once, in whichever pools its strategy prefers, as much
// as it can get, and says for each pool that failed why. That is the type
// "instant"; fleets that live on are not done here.
func createFleet(c *call, in fields) (fields, error) {
	if in.Text("Type") != "instant" {
		return nil, invalid("Fleets of type '%s' are not done here", in.Text("Type"))
	}
	before, err := c.repeated(in)
	if err != nil {
		return nil, err
	}
	if before != nil {
		return fields{"FleetId": before.reservation, "Errors": []fields{}, "Instances": c.fleetInstances(nil, before.instances)}, nil
	}
	bids, err := c.bids(in)
	if err != nil {
		return nil, err
	}
	target := in.Sub("TargetCapacitySpecification")
	total, market := target.Number("TotalTargetCapacity", 0), target.Text("DefaultTargetCapacityType")
	spot := target.Number("SpotTargetCapacity", 0)
	onDemand := target.Number("OnDemandTargetCapacity", 0)
	if market == Spot {
		spot = total - onDemand
	} else {
		onDemand = total - spot
	}
	made, failed := []fields{}, []fields{}
	var all []*instance
	for _, part := range []struct {
		market string
		n      int
	}{{Spot, spot}, {OnDemand, onDemand}} {
		for _, b := range c.ranked(bids, in, part.market) {
			if part.n <= 0 {
				break
			}
			list, err := c.fill(b, part.market, part.n)
			if err != nil {
				failed = append(failed, fleetError(b, part.market, err))
				continue
			}
			part.n -= len(list)
			all = append(all, list...)
			made = append(made, c.fleetInstances(b.told, list)...)
		}
	}
	id := "fleet-" + c.id("x")[2:]
	if token := in.Text("ClientToken"); token != "" {
		c.region.launches[token] = &launched{at: c.now, asked: canonical(in), reservation: id, instances: all}
	}
	return fields{"FleetId": id, "Errors": failed, "Instances": made}, nil
}

// bids combines the templates with their overrides.
func (c *call) bids(in fields) ([]bid, error) {
	fleetTags := []any{}
	for _, s := range in.Subs("TagSpecifications") {
		if s.Text("ResourceType") == "instance" || s.Text("ResourceType") == "volume" {
			fleetTags = append(fleetTags, s)
		}
	}
	var out []bid
	for _, config := range in.Subs("LaunchTemplateConfigs") {
		spec := config.Sub("LaunchTemplateSpecification")
		base, t, n, err := c.region.asked(spec, fields{"MinCount": int64(1), "MaxCount": int64(1)})
		if err != nil {
			return nil, err
		}
		overrides := config.Subs("Overrides")
		if len(overrides) == 0 {
			overrides = []fields{{}}
		}
		for _, o := range overrides {
			ask := maps.Clone(base)
			for _, name := range []string{"InstanceType", "SubnetId", "ImageId"} {
				if o.Has(name) {
					ask[name] = o[name]
				}
			}
			if o.Has("AvailabilityZone") {
				ask["Placement"] = fields{"AvailabilityZone": o["AvailabilityZone"]}
			}
			specs, _ := ask["TagSpecifications"].([]any)
			ask["TagSpecifications"] = append(slices.Clone(specs), fleetTags...)
			priority, _ := o["Priority"].(float64)
			out = append(out, bid{in: ask, priority: priority, told: fields{
				"LaunchTemplateSpecification": fields{"LaunchTemplateId": t.id, "Version": strconv.Itoa(n)},
				"Overrides":                   override(o),
			}})
		}
	}
	return out, nil
}

// override repeats what a request had, as far as an answer can have it.
func override(o fields) fields {
	out := fields{}
	for _, name := range []string{"InstanceType", "SubnetId", "ImageId", "AvailabilityZone", "MaxPrice", "Priority", "WeightedCapacity"} {
		if o.Has(name) {
			out[name] = o[name]
		}
	}
	return out
}

// ranked puts bids in the order that a fleet takes them. Which pool has most
// room AWS alone knows: here it is the one that costs least, which for most
// strategies is what is asked for anyhow.
func (c *call) ranked(bids []bid, in fields, market string) []bid {
	strategy := in.Sub("OnDemandOptions").Text("AllocationStrategy")
	if market == Spot {
		strategy = in.Sub("SpotOptions").Text("AllocationStrategy")
	}
	cost := func(b bid) float64 {
		k, _ := kindNamed(b.in.Text("InstanceType"))
		if market == OnDemand {
			return k.onDemand(c.region.name)
		}
		p := plan{kind: k}
		if planZones(c.region, &p, b.in.Text("SubnetId"), b.in.Sub("Placement").Text("AvailabilityZone")) != nil {
			return k.price
		}
		return c.region.spotNow(p.zones[0].name, k.name, c.now)
	}
	out := slices.Clone(bids)
	slices.SortStableFunc(out, func(a, b bid) int {
		if strings.HasSuffix(strategy, "prioritized") {
			return cmp.Compare(a.priority, b.priority)
		}
		return cmp.Compare(cost(a), cost(b))
	})
	return out
}

// fill launches up to n instances of a bid.
func (c *call) fill(b bid, market string, n int) ([]*instance, error) {
	ask := maps.Clone(b.in)
	delete(ask, "InstanceMarketOptions")
	if market == Spot {
		spot := fields{}
		if price := b.told.Sub("Overrides")["MaxPrice"]; price != nil {
			spot["MaxPrice"] = price
		}
		ask["InstanceMarketOptions"] = fields{"MarketType": Spot, "SpotOptions": spot}
	}
	p, err := c.plan(ask)
	if err != nil {
		return nil, err
	}
	return c.launch(p, 1, n)
}

func fleetError(b bid, market string, err error) fields {
	code, message, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		code, message = "InternalError", err.Error()
	}
	return fields{"LaunchTemplateAndOverrides": b.told, "Lifecycle": market, "ErrorCode": code, "ErrorMessage": message}
}

func (c *call) fleetInstances(told fields, list []*instance) []fields {
	out := []fields{}
	for _, i := range list {
		out = append(out, fields{
			"LaunchTemplateAndOverrides": told, "Lifecycle": i.plan.market, "InstanceIds": []string{i.id}, "InstanceType": i.plan.kind.name,
		})
	}
	return out
}
