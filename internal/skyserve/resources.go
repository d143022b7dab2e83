// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// resources reads the section resources. Several accelerators on one line are
// several entries.
func (r *reader) resources(v value, into *serve.Resources) {
	var outer choice
	var anyOf, ordered []value
	r.mapping(v, append(r.machine(&into.Resource),
		field{"accelerators", func(v value) { outer = r.choice(v) }},
		field{"any_of", func(v value) { anyOf = r.items(v) }},
		field{"ordered", func(v value) { ordered = r.items(v) }},
	))
	if len(outer.names) == 1 {
		into.Accelerators, outer = outer.names[0], choice{}
	}
	switch {
	case len(outer.names) == 0:
	case len(ordered) > 0:
		r.faultAt(outer.at, "resources.accelerators", "Several accelerators cannot be combined with ordered; write one accelerator in each entry of it.")
		return
	case len(anyOf) > 0 && outer.inOrder:
		r.faultAt(outer.at, "resources.accelerators", "A list of accelerators is an order of preference and cannot be combined with any_of; write a mapping, or an ordered entry for each.")
		return
	case len(anyOf) == 0 && outer.inOrder:
		into.Ordered = r.entries("resources.ordered", outer)
	case len(anyOf) == 0:
		into.AnyOf = r.entries("resources.any_of", outer)
	}
	for _, item := range anyOf {
		c := r.own(item)
		if c.inOrder {
			r.fault(item, "A list of accelerators is an order of preference, and any_of has none; write a mapping, or an entry for each.")
			continue
		}
		if len(c.names) == 0 {
			c = outer
		}
		into.AnyOf = r.alternatives(item, into.AnyOf, "resources.any_of", c)
	}
	for _, item := range ordered {
		c := r.own(item)
		if len(c.names) > 1 {
			r.fault(item, "Several accelerators cannot be combined with ordered; write an entry for each.")
			continue
		}
		into.Ordered = r.alternatives(item, into.Ordered, "resources.ordered", c)
	}
}

// entries gives an entry for each of the accelerators of the outer description.
func (r *reader) entries(spec string, c choice) []serve.Resource {
	all := make([]serve.Resource, len(c.names))
	for i, name := range c.names {
		all[i].Accelerators = name
		entry := value{spec: spec}.item(i, nil)
		r.origins[entry.spec] = origin{"resources", c.at.line}
		r.origins[entry.spec+".accelerators"] = c.at
	}
	return all
}

// alternatives adds an entry of any_of or ordered to those there are, as often
// as it has accelerators to choose from.
func (r *reader) alternatives(item value, there []serve.Resource, spec string, c choice) []serve.Resource {
	names := c.names
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		v := item
		v.spec = value{spec: spec}.item(len(there), nil).spec
		r.origins[v.spec] = origin{v.path, v.node.Line}
		var entry serve.Resource
		r.mapping(v, append(r.machine(&entry),
			field{"accelerators", func(value) {}},
			field{"any_of", r.refuse("Alternatives within alternatives are not possible; write all of them in one list.")},
			field{"ordered", r.refuse("Alternatives within alternatives are not possible; write all of them in one list.")},
		))
		if entry.Accelerators = name; name != "" {
			r.origins[v.spec+".accelerators"] = c.at
		}
		there = append(there, entry)
	}
	return there
}

// machine lists the fields of one machine, except for accelerators.
func (r *reader) machine(into *serve.Resource) []field {
	fields := []field{
		{"infra", r.text(&into.Infra)},
		{"cloud", r.text(&into.Cloud)},
		{"region", r.text(&into.Region)},
		{"zone", r.text(&into.Zone)},
		{"instance_type", r.text(&into.InstanceType)},
		{"cpus", r.amount(&into.CPUs)},
		{"memory", r.amount(&into.Memory)},
		{"use_spot", r.optional(&into.UseSpot)},
		{"disk_size", r.amount(&into.DiskSize)},
		{"disk_tier", r.text(&into.DiskTier)},
		{"image_id", func(v value) { r.image(v, &into.ImageID) }},
		{"ports", func(v value) { r.ports(v, &into.Ports) }},
		{"labels", r.texts(&into.Labels)},
		{"max_hourly_cost", r.positive(&into.MaxHourlyCost)},
		{"job_recovery", r.refuse("A service replaces lost replicas by itself; take job_recovery out.")},
		{"spot_recovery", r.refuse("A service replaces lost replicas by itself; take spot_recovery out.")},
		{"autostop", r.refuse("Replicas do not stop by themselves; take autostop out, and let min_replicas be 0 to have none without traffic.")},
		{"volumes", r.refuse("Volumes are not supported; a replica has its own disk, see disk_size.")},
	}
	for _, key := range []string{"network_tier", "local_disk", "accelerator_args", "priority", "priority_class"} {
		fields = append(fields, field{key, r.refuse(key + " is not supported; take it out.")})
	}
	return fields
}

func (r *reader) image(v value, into *string) {
	if kind(v.node) == "a mapping" {
		r.fault(v, "An image for each region is not supported in one place; write an any_of entry for each region, with the image_id in it.")
		return
	}
	r.text(into)(v)
}

// ports reads a port, a range of ports, or a list of these.
func (r *reader) ports(v value, into *string) {
	list := []value{v}
	if kind(v.node) == "a list" {
		list = r.items(v)
	}
	var all []string
	for _, item := range list {
		s, ok := r.scalar(item)
		switch {
		case !ok:
			r.wrong(item, "a port, a range such as \"8080-8090\", or a list of these")
		case s == "":
			r.fault(item, "It is empty; write a port or leave it out.")
		default:
			all = append(all, s)
		}
	}
	*into = strings.Join(all, ",")
}
