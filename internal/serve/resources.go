// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"cmp"
	"maps"
)

// Resources describes the machines a service may run on: one description, or
// several alternatives that inherit what they leave out from the outer one.
type Resources struct {
	Resource
	// AnyOf lists alternatives of equal standing; the cheapest is preferred.
	AnyOf []Resource `json:"any_of,omitempty"`
	// Ordered lists alternatives in order of preference.
	Ordered []Resource `json:"ordered,omitempty"`
}

// Resource describes one machine. Empty fields do not constrain.
type Resource struct {
	// Infra is "cloud[/region[/zone]]" with "*" as a wildcard; it excludes Cloud,
	// Region and Zone, the older spelling of the same.
	Infra        string `json:"infra,omitempty"`
	Cloud        string `json:"cloud,omitempty"`
	Region       string `json:"region,omitempty"`
	Zone         string `json:"zone,omitempty"`
	InstanceType string `json:"instance_type,omitempty"`
	// CPUs and Memory are amounts, "4" for exactly or "4+" for at least. Memory
	// is in GiB unless it names a unit.
	CPUs   string `json:"cpus,omitempty"`
	Memory string `json:"memory,omitempty"`
	// Accelerators is "NAME" or "NAME:count".
	Accelerators string `json:"accelerators,omitempty"`
	// UseSpot asks for spot machines; nil means false, or what the outer
	// description says.
	UseSpot *bool `json:"use_spot,omitempty"`
	// DiskSize is in GB unless it names a unit.
	DiskSize string `json:"disk_size,omitempty"`
	DiskTier string `json:"disk_tier,omitempty"`
	ImageID  string `json:"image_id,omitempty"`
	// Ports are the ports the service listens on: "8080", "8080-8090", or several
	// of these with commas between.
	Ports  string            `json:"ports,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// MaxHourlyCost is a ceiling on the price, in US dollars per hour; 0 is none.
	MaxHourlyCost float64 `json:"max_hourly_cost,omitempty"`
	// Kubernetes is what only Kubernetes has a word for; other clouds pass over it.
	Kubernetes *KubernetesOptions `json:"kubernetes,omitempty"`
}

// Spot reports whether the description asks for spot machines.
func (r Resource) Spot() bool { return r.UseSpot != nil && *r.UseSpot }

// Location is where the machine may be, by either spelling.
func (r Resource) Location() Location {
	if r.Infra != "" {
		return ParseLocation(r.Infra)
	}
	return Location{Cloud: canonicalCloud(r.Cloud), Region: r.Region, Zone: r.Zone}
}

// Entries gives every alternative, complete: what an entry leaves out is taken
// from the outer description, and labels are merged. Without alternatives it is
// the outer description alone.
func (r Resources) Entries() []Resource {
	inner := append(append([]Resource(nil), r.AnyOf...), r.Ordered...)
	if len(inner) == 0 {
		return []Resource{r.Resource}
	}
	for i, e := range inner {
		inner[i] = e.over(r.Resource)
	}
	return inner
}

// over gives r with its gaps filled from outer.
func (r Resource) over(outer Resource) Resource {
	if r.Infra == "" && r.Cloud == "" && r.Region == "" && r.Zone == "" {
		r.Infra, r.Cloud, r.Region, r.Zone = outer.Infra, outer.Cloud, outer.Region, outer.Zone
	} else if r.Infra == "" && outer.Infra == "" {
		r.Cloud = cmp.Or(r.Cloud, outer.Cloud)
		// A region or zone belongs to its cloud: an entry that names another cloud
		// must not inherit them.
		if r.Cloud == outer.Cloud {
			r.Region = cmp.Or(r.Region, outer.Region)
			if r.Region == outer.Region {
				r.Zone = cmp.Or(r.Zone, outer.Zone)
			}
		}
	}
	r.InstanceType = cmp.Or(r.InstanceType, outer.InstanceType)
	r.CPUs = cmp.Or(r.CPUs, outer.CPUs)
	r.Memory = cmp.Or(r.Memory, outer.Memory)
	r.Accelerators = cmp.Or(r.Accelerators, outer.Accelerators)
	r.UseSpot = cmp.Or(r.UseSpot, outer.UseSpot)
	r.DiskSize = cmp.Or(r.DiskSize, outer.DiskSize)
	r.DiskTier = cmp.Or(r.DiskTier, outer.DiskTier)
	r.ImageID = cmp.Or(r.ImageID, outer.ImageID)
	r.Ports = cmp.Or(r.Ports, outer.Ports)
	r.MaxHourlyCost = cmp.Or(r.MaxHourlyCost, outer.MaxHourlyCost)
	r.Kubernetes = cmp.Or(r.Kubernetes, outer.Kubernetes)
	if len(outer.Labels) > 0 {
		labels := maps.Clone(outer.Labels)
		maps.Copy(labels, r.Labels)
		r.Labels = labels
	}
	return r
}
