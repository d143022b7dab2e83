// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// address is one that is reserved: it is the project's, and leads to one instance of
// its region at a time.
type address struct {
	name, region, ip, description string
	id                            uint64
	made                          time.Time
	labels                        map[string]string
	instance                      *instance
	// way passes on what comes, with machines.
	way *machinetest.Way
}

func (a *address) path() string { return regional(a.region, "addresses", a.name) }

// leads gives the instance that an address leads to, or nil. One that is stopped keeps
// its address.
func (a *address) leads(now time.Time) *instance {
	if a.instance == nil || !a.instance.held(now) {
		return nil
	}
	return a.instance
}

// lead has an address lead to the machine of its instance, if there is one.
func (g *GCP) lead(a *address) {
	if a.instance.machine == nil {
		return
	}
	if err := a.way.Lead(a.instance.private, g.options.Ports, &g.machines); err != nil {
		g.errorf("leading %s to instance %s: %v", a.ip, a.instance.plan.name, err)
	}
}

// part has an address lead nowhere.
func (a *address) part() {
	a.way.Part()
	a.instance = nil
}

func (a *address) describe(at time.Time) fields {
	out := fields{
		"kind": "compute#address", "id": a.id, "name": a.name, "address": a.ip, "addressType": "EXTERNAL", "networkTier": "PREMIUM",
		"region": link("projects/" + Project + "/regions/" + a.region), "status": "RESERVED", "creationTimestamp": stamp(a.made),
		"selfLink": link(a.path()), "description": a.description, "labels": a.labels, "labelFingerprint": fingerprint("labels", a.name),
	}
	if i := a.leads(at); i != nil {
		out["status"], out["users"] = "IN_USE", []string{link(i.path())}
	}
	return out
}

func (c *call) addressesIn(region string) []*address {
	return slices.DeleteFunc(slices.Clone(c.compute.addresses), func(a *address) bool { return a.region != region })
}

// addressNamed finds the address that a call is about.
func (c *call) addressNamed() (*address, error) {
	region, name := c.param("region"), c.param("address")
	a := find(c.addressesIn(region), func(a *address) bool { return a.name == name })
	if a == nil {
		return nil, notFound(regional(region, "addresses", name))
	}
	return a, nil
}

func listAddresses(c *call, _ fields) (fields, error) {
	return listed(c, "compute#addressList", "Address", c.addressesIn(c.param("region")), func(a *address) fields { return a.describe(c.now) })
}

func getAddress(c *call, _ fields) (fields, error) {
	a, err := c.addressNamed()
	if err != nil {
		return nil, err
	}
	return a.describe(c.now), nil
}

func insertAddress(c *call, in fields) (*operation, error) {
	if err := c.only(in, "resource", "name", "description", "addressType", "networkTier", "labels", "ipVersion"); err != nil {
		return nil, err
	}
	if in.Text("addressType") == "INTERNAL" || in.Text("networkTier") == "STANDARD" || in.Text("ipVersion") == "IPV6" {
		return nil, c.undone("resource.addressType")
	}
	if err := holdLabels(labelsOf(in)); err != nil {
		return nil, err
	}
	region := c.param("region")
	a := &address{
		name: in.Text("name"), region: region, id: c.id(), made: c.now, description: in.Text("description"), labels: labelsOf(in),
	}
	if slices.ContainsFunc(c.addressesIn(region), func(o *address) bool { return o.name == a.name }) {
		return nil, exists(a.path())
	}
	if limit := c.quota(region, "STATIC_ADDRESSES"); c.used(region)["STATIC_ADDRESSES"] >= limit {
		return nil, refusal(403, "quotaExceeded", "Quota 'STATIC_ADDRESSES' exceeded. Limit: %.1f in region %s.", limit, region)
	}
	_, a.ip = c.host(region)
	if c.options.Machines {
		var err error
		if a.way, err = machinetest.NewWay(metadataPort); err != nil {
			return nil, err
		}
		a.ip = a.way.Host()
	}
	c.compute.addresses = append(c.compute.addresses, a)
	return c.begin(a.path(), a.id, c.now), nil
}

func deleteAddress(c *call, _ fields) (*operation, error) {
	a, err := c.addressNamed()
	if err != nil {
		return nil, err
	}
	if i := a.leads(c.now); i != nil {
		return nil, refusal(400, "resourceInUseByAnotherResource", "The address resource '%s' is already being used by '%s'", a.path(), i.path())
	}
	a.part()
	a.way.Close()
	c.compute.addresses = slices.DeleteFunc(c.compute.addresses, func(o *address) bool { return o == a })
	return c.begin(a.path(), a.id, c.now), nil
}

// claimed finds the reserved address that an instance is to have, which nobody else
// may have meanwhile.
func (c *call) claimed(region, ip string, by *instance) (*address, error) {
	a := find(c.compute.addresses, func(a *address) bool { return a.ip == ip })
	switch {
	case a == nil || a.region != region:
		return nil, invalid("Invalid value for field 'resource.networkInterfaces[0].accessConfigs[0].natIP': '%s'. "+
			"The specified external IP address '%s' was not found in region '%s'.", ip, ip, region)
	case a.leads(c.now) != nil && a.leads(c.now) != by:
		return nil, invalid("Invalid value for field 'resource.networkInterfaces[0].accessConfigs[0].natIP': '%s'. "+
			"Specified IP address is in-use and would result in a conflict.", ip)
	}
	return a, nil
}

// holdLabels holds labels to their form, which is narrow.
func holdLabels(labels map[string]string) error {
	if len(labels) > 64 {
		return invalid("Invalid value for field 'resource.labels': ''. There are %d labels, and not 64 at most.", len(labels))
	}
	for _, name := range sortedKeys(labels) {
		if !labelled(name) || strings.IndexFunc(name, lowLetter) != 0 {
			return invalid("Invalid value for field 'resource.labels': ''. Label key '%s' violates format constraints. The key must start with a "+
				"lowercase character, can only contain lowercase letters, numeric characters, underscores and dashes.", name)
		}
		if !labelled(labels[name]) {
			return invalid("Invalid value for field 'resource.labels': ''. Label value '%s' violates format constraints. The value can only contain "+
				"lowercase letters, numeric characters, underscores and dashes. The value can be at most 63 characters long.", labels[name])
		}
	}
	return nil
}

// labelled reports whether a label can have a text. It is asked too often for an
// expression that has to be compiled.
func labelled(text string) bool {
	return utf8.RuneCountInString(text) <= 63 && strings.IndexFunc(text, func(r rune) bool {
		return !lowLetter(r) && !unicode.IsNumber(r) && r != '_' && r != '-'
	}) < 0
}

// lowLetter reports whether a letter is small, or neither small nor large.
func lowLetter(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Lo) }
