// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import "strings"

// computeNeeds are the permissions that a method of Compute Engine asks for: the one
// of its own name, and those on what it makes use of.
func computeNeeds(c *call, in fields) []need {
	if shared := c.param("project"); shared != Project && shared != ProjectNumber {
		return nil // what is everybody's, or not there
	}
	at := project
	if zone, name := c.param("zone"), c.param("instance"); strings.HasPrefix(c.method.ID, "compute.instances.") && zone != "" {
		if name == "" {
			name = in.Text("name")
		}
		if name != "" {
			at = zonal(zone, "instances", name)
		}
	}
	needs := []need{{permission(c.method.ID), at}}
	add := func(permissions ...string) {
		for _, p := range permissions {
			needs = append(needs, need{p, project})
		}
	}
	switch c.method.ID {
	case "compute.firewalls.insert", "compute.firewalls.patch", "compute.firewalls.delete":
		add("compute.networks.updatePolicy")
	case "compute.addresses.insert":
		if in.Has("labels") {
			add("compute.addresses.setLabels")
		}
	case "compute.instances.addAccessConfig":
		add("compute.subnetworks.useExternalIp")
		if in.Has("natIP") {
			add("compute.addresses.use")
		}
	case "compute.instances.insert":
		needs = append(needs, insertNeeds(in, at)...)
	}
	return needs
}

// insertNeeds are the permissions on what an instance is made of, which is at a path.
func insertNeeds(in fields, at string) []need {
	var needs []need
	add := func(permissions ...string) {
		for _, p := range permissions {
			needs = append(needs, need{p, project})
		}
	}
	add("compute.disks.create", "compute.subnetworks.use")
	for _, d := range in.Subs("disks") {
		if d.Sub("initializeParams").Has("labels") {
			add("compute.disks.setLabels")
		}
	}
	for _, nic := range in.Subs("networkInterfaces") {
		for _, access := range nic.Subs("accessConfigs") {
			add("compute.subnetworks.useExternalIp")
			if access.Has("natIP") {
				add("compute.addresses.use")
			}
		}
	}
	for _, name := range []string{"labels", "metadata", "tags"} {
		if in.Has(name) {
			needs = append(needs, need{"compute.instances.set" + strings.ToUpper(name[:1]) + name[1:], at})
		}
	}
	for _, a := range in.Subs("serviceAccounts") {
		needs = append(needs,
			need{"compute.instances.setServiceAccount", at},
			need{"iam.serviceAccounts.actAs", project + "/serviceAccounts/" + a.Text("email")})
	}
	return needs
}
