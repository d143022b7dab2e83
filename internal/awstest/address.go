// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// address is an Elastic IP address: it is the account's, and leads to one instance
// at a time.
type address struct {
	id, ip string
	tags   tags
	// association names that it leads to an instance, as long as that is there.
	association string
	instance    *instance
	// way passes on what comes, with machines.
	way *machinetest.Way
}

// addressLimit is how many an account has in a region if it asks for no more.
const addressLimit = 5

// leads gives the instance that an address leads to, or nil.
func (a *address) leads(now time.Time) *instance {
	if a.instance == nil || !a.instance.held(now) {
		return nil
	}
	return a.instance
}

func noAllocation(id string) error {
	return refusal(400, "InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist", id)
}

func (r *region) addressOf(id string) (*address, error) {
	a := find(r.addresses, func(a *address) bool { return a.id == id })
	if a == nil {
		return nil, noAllocation(id)
	}
	return a, nil
}

func allocateAddress(c *call, in fields) (fields, error) {
	if in.Has("Address") || in.Has("PublicIpv4Pool") || in.Text("Domain") == "standard" {
		return nil, refusal(400, "UnsupportedOperation", "Only addresses that AWS chooses, for VPCs, are had here")
	}
	if len(c.region.addresses) >= addressLimit {
		return nil, refusal(400, "AddressLimitExceeded", "The maximum number of addresses has been reached.")
	}
	t, err := specified(c.now, in, "elastic-ip")
	if err != nil {
		return nil, err
	}
	a := &address{id: c.id("eipalloc"), tags: t}
	if c.options.Machines {
		if a.way, err = machinetest.NewWay(metadataPort); err != nil {
			return nil, err
		}
		a.ip = a.way.Host()
	} else {
		_, a.ip = c.region.address(c.region.zones[0])
	}
	c.region.addresses = append(c.region.addresses, a)
	return fields{
		"AllocationId": a.id, "PublicIp": a.ip, "Domain": "vpc", "PublicIpv4Pool": "amazon", "NetworkBorderGroup": c.region.name,
	}, nil
}

// associateAddress leads an address to an instance, whose own public address is
// gone from then on.
func associateAddress(c *call, in fields) (fields, error) {
	a, err := c.region.addressOf(in.Text("AllocationId"))
	if err != nil {
		return nil, err
	}
	list, err := c.choose([]string{in.Text("InstanceId")})
	if err != nil {
		return nil, err
	}
	i := list[0]
	switch before := a.leads(c.now); {
	case i.state(c.now).name != "running" && i.state(c.now).name != "stopped":
		return nil, refusal(400, "IncorrectInstanceState", "The %s instance '%s' is not in a valid state for this operation.", i.state(c.now).name, i.id)
	case before == i:
		return fields{"AssociationId": a.association}, nil
	case before != nil && !in.Flag("AllowReassociation"):
		return nil, refusal(400, "Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", a.id, a.association)
	}
	c.part(a)
	for _, other := range c.region.addresses {
		if other.instance == i {
			c.part(other)
		}
	}
	a.association, a.instance, i.elastic = c.id("eipassoc"), i, a.ip
	if i.machine != nil {
		if err := a.way.Lead(i.private, c.options.Ports, &c.machines); err != nil {
			c.errorf("leading %s to instance %s: %v", a.ip, i.id, err)
		}
	}
	return fields{"AssociationId": a.association}, nil
}

// part has an address lead nowhere. Its instance has its own public address again.
func (a *AWS) part(e *address) {
	e.way.Part()
	if e.instance != nil && e.instance.elastic == e.ip {
		e.instance.elastic = ""
	}
	e.association, e.instance = "", nil
}

func disassociateAddress(c *call, in fields) (fields, error) {
	id := in.Text("AssociationId")
	a := find(c.region.addresses, func(a *address) bool { return id != "" && a.association == id && a.leads(c.now) != nil })
	if a == nil {
		return nil, refusal(400, "InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	c.part(a)
	return nil, nil
}

func releaseAddress(c *call, in fields) (fields, error) {
	a, err := c.region.addressOf(in.Text("AllocationId"))
	if err != nil {
		return nil, err
	}
	if a.leads(c.now) != nil {
		return nil, refusal(400, "InvalidIPAddress.InUse", "Address '%s' is in use.", a.ip)
	}
	c.part(a)
	a.way.Close()
	c.region.addresses = slices.DeleteFunc(c.region.addresses, func(o *address) bool { return o == a })
	return nil, nil
}

func describeAddresses(c *call, in fields) (fields, error) {
	at := c.seen()
	list, err := require(c.region.addresses, in.Texts("AllocationIds"), func(a *address) string { return a.id }, noAllocation)
	if err != nil {
		return nil, err
	}
	list, err = require(list, in.Texts("PublicIps"), func(a *address) string { return a.ip }, func(ip string) error {
		return refusal(400, "InvalidAddress.NotFound", "Address '%s' not found.", ip)
	})
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(a *address) facets {
		f := facets{
			"allocation-id": {a.id}, "public-ip": {a.ip}, "domain": {"vpc"}, "association-id": nil, "instance-id": nil, "private-ip-address": nil,
		}
		if i := a.leads(c.now); i != nil {
			f["association-id"], f["instance-id"], f["private-ip-address"] = []string{a.association}, []string{i.id}, []string{i.private}
		}
		return f.tagged(a.tags.at(at))
	})
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, a := range list {
		f := fields{
			"AllocationId": a.id, "PublicIp": a.ip, "Domain": "vpc", "PublicIpv4Pool": "amazon", "NetworkBorderGroup": c.region.name,
			"Tags": tagList(a.tags.at(at)),
		}
		if i := a.leads(c.now); i != nil {
			f["AssociationId"], f["InstanceId"], f["PrivateIpAddress"] = a.association, i.id, i.private
			f["NetworkInterfaceId"], f["NetworkInterfaceOwnerId"] = "eni-"+i.id[2:], Account
		}
		out = append(out, f)
	}
	return fields{"Addresses": out}, nil
}
