// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

// Left names everything that is there and was not from the beginning: what there
// may be nothing of when a test has cleared away after itself. Most of it costs
// something for as long as it is there.
func (b Books) Left() []string {
	var left []string
	add := func(kind, where, name string) { left = append(left, kind+" "+name+where) }
	in := func(region string) string { return " in " + region }
	for _, i := range b.Live() {
		add("instance", in(i.Zone)+", "+i.State, i.ID)
	}
	for _, v := range b.Volumes {
		add("volume", in(v.Zone)+", "+v.State, v.ID)
	}
	for _, g := range b.Groups {
		add("security group", in(g.Region), g.Name)
	}
	for _, id := range b.Templates {
		add("launch template", "", id)
	}
	for _, name := range b.Scaling {
		add("Auto Scaling group", "", name)
	}
	for _, a := range b.Addresses {
		add("elastic address", in(a.Region), a.IP)
	}
	for _, name := range b.Roles {
		add("role or policy", "", name)
	}
	for _, name := range b.Profiles {
		add("instance profile", "", name)
	}
	for _, bucket := range b.Buckets {
		add("bucket", in(bucket.Region), bucket.Name)
	}
	return left
}
