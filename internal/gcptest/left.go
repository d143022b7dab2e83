// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

// Left names everything that is there and was not from the beginning: what there may
// be nothing of when a test has cleared away after itself. Most of it costs something
// for as long as it is there.
func (b Books) Left() []string {
	var left []string
	add := func(kind, where, name string) { left = append(left, kind+" "+name+where) }
	in := func(place string) string { return " in " + place }
	for _, i := range b.Live() {
		add("instance", in(i.Zone)+", "+i.State, i.Name)
	}
	for _, d := range b.Disks {
		add("disk", in(d.Zone), d.Name)
	}
	for _, name := range b.Firewalls {
		add("firewall rule", "", name)
	}
	for _, a := range b.Addresses {
		add("address", in(a.Region), a.Name)
	}
	for _, name := range sortedKeys(b.Buckets) {
		add("bucket", "", name)
	}
	for _, name := range b.Accounts {
		add("service account", "", name)
	}
	for _, name := range b.Roles {
		add("role", "", name)
	}
	for _, what := range b.Granted {
		add("binding", "", what)
	}
	return left
}
