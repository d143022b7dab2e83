// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"cmp"
	"strings"
)

// Market says how a machine is paid for, and so whether it can be taken away.
type Market string

// The two markets. Machines that nobody takes back are on-demand.
const (
	Spot     Market = "spot"
	OnDemand Market = "on_demand"
)

// Location is a place machines can be had from. An empty Region or Zone means
// "any" in a request, and "this cloud has none" in an observation.
type Location struct {
	Cloud  string `json:"cloud,omitempty"`
	Region string `json:"region,omitempty"`
	Zone   string `json:"zone,omitempty"`
}

// ParseLocation reads SkyServe's infra form "cloud[/region[/zone]]". A "*"
// stands for any, and "k8s" is another spelling of "kubernetes". Whether the
// cloud exists is for [Spec.Validate] to say.
func ParseLocation(infra string) Location {
	part := append(strings.SplitN(infra, "/", 3), "", "")
	for i, p := range part {
		if p == "*" {
			part[i] = ""
		}
	}
	return Location{Cloud: canonicalCloud(part[0]), Region: part[1], Zone: part[2]}
}

func canonicalCloud(name string) string {
	name = strings.ToLower(name)
	if name == "k8s" {
		return "kubernetes"
	}
	return name
}

// String gives the infra form: "aws/us-east-1/us-east-1a", or "*" for anywhere.
func (l Location) String() string {
	cloud := cmp.Or(l.Cloud, "*")
	switch {
	case l.Zone != "":
		return cloud + "/" + cmp.Or(l.Region, "*") + "/" + l.Zone
	case l.Region != "":
		return cloud + "/" + l.Region
	default:
		return cloud
	}
}

// Contains reports whether other lies within l, where an empty part of l
// contains everything: aws contains aws/us-east-1/us-east-1a.
func (l Location) Contains(other Location) bool {
	return (l.Cloud == "" || l.Cloud == other.Cloud) &&
		(l.Region == "" || l.Region == other.Region) &&
		(l.Zone == "" || l.Zone == other.Zone)
}

// Offer is something a cloud would sell: this machine type, here, in this
// market, at this price. It says nothing about whether one is left; only a
// launch finds that out.
type Offer struct {
	Location     Location `json:"location"`
	Market       Market   `json:"market"`
	InstanceType string   `json:"instance_type"`
	// Price is in US dollars per hour.
	Price float64 `json:"price"`
	// CPUs is the number of virtual processors, Memory is in GiB.
	CPUs   float64 `json:"cpus,omitempty"`
	Memory float64 `json:"memory,omitempty"`
	// Accelerators is "NAME:count", or empty.
	Accelerators string `json:"accelerators,omitempty"`
	// Entry is the index into [Resources.Entries] that this offer satisfies,
	// and Rank its place in the user's order of preference: 0 for every entry of
	// any_of, the index itself for ordered.
	Entry int `json:"entry,omitempty"`
	Rank  int `json:"rank,omitempty"`
}

// Key names the capacity pool the offer is drawn from: two offers with the same
// key run out together.
func (o Offer) Key() string {
	return o.Location.String() + "|" + o.InstanceType + "|" + string(o.Market)
}

// IsZero reports whether no offer has been chosen.
func (o Offer) IsZero() bool { return o == Offer{} }
