// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import "slices"

// stale refuses a change that was made of what there is no more.
func stale() error {
	return refusal(412, "conditionNotMet", "Supplied fingerprint does not match current metadata fingerprint.")
}

func setLabels(c *call, in fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	labels := labelsOf(in)
	if err := holdLabels(labels); err != nil {
		return nil, err
	}
	if in.Text("labelFingerprint") != i.labelFingerprint() {
		return nil, refusal(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed")
	}
	i.labels = labels
	return c.begin(i.path(), i.id, c.now), nil
}

func setMetadata(c *call, in fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	items, err := readItems(in)
	if err != nil {
		return nil, err
	}
	if in.Text("fingerprint") != i.metadataFingerprint() {
		return nil, stale()
	}
	i.items = items
	i.tell()
	return c.begin(i.path(), i.id, c.now), nil
}

func setTags(c *call, in fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	if in.Text("fingerprint") != fingerprint(append([]string{"tags"}, i.plan.tags...)...) {
		return nil, stale()
	}
	i.plan.tags = in.Texts("items")
	return c.begin(i.path(), i.id, c.now), nil
}

// tell has those who wait for metadata to change look again.
func (i *instance) tell() {
	close(i.waiting)
	i.waiting = make(chan struct{})
}

// addAccessConfig gives an instance a way to the world, of which it has one at most.
func addAccessConfig(c *call, in fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	if err := c.only(in, "resource", "type", "name", "natIP", "networkTier"); err != nil {
		return nil, err
	}
	if nic := c.param("networkInterface"); nic != "nic0" {
		return nil, invalid("Invalid value for field 'networkInterface': '%s'. The network interface was not found.", nic)
	}
	if i.plan.external {
		return nil, invalid("Invalid value for field 'resource': ''. At most one access config currently supported.")
	}
	region := regionOf(i.plan.zone)
	if ip := in.Text("natIP"); ip != "" {
		a, err := c.claimed(region, ip, i)
		if err != nil {
			return nil, err
		}
		a.part()
		a.instance = i
		c.lead(a)
	} else {
		_, i.public = c.host(region)
		if i.machine != nil {
			i.public = i.private
		}
	}
	i.plan.external, i.plan.access = true, in.Text("name")
	i.tell()
	return c.begin(i.path(), i.id, c.now), nil
}

func deleteAccessConfig(c *call, _ fields) (*operation, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	names := []string{i.plan.access}
	if i.plan.access == "" {
		names = []string{"external-nat", "External NAT"}
	}
	if !i.plan.external || !slices.Contains(names, c.param("accessConfig")) {
		return nil, invalid("Invalid value for field 'accessConfig': '%s'. The access config was not found.", c.param("accessConfig"))
	}
	if a := c.addressOf(i); a != nil {
		a.part()
	}
	i.plan.external, i.public = false, ""
	i.tell()
	return c.begin(i.path(), i.id, c.now), nil
}
