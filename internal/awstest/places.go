// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

func describeRegions(_ *call, in fields) (fields, error) {
	list, err := require(regionNames(), in.Texts("RegionNames"), func(s string) string { return s }, func(name string) error {
		return invalid("Invalid region name: %s", name)
	})
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(name string) facets {
		return facets{"region-name": {name}, "endpoint": {"ec2." + name + ".amazonaws.com"}, "opt-in-status": {"opt-in-not-required"}}
	})
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, name := range list {
		out = append(out, fields{
			"RegionName": name, "Endpoint": "ec2." + name + ".amazonaws.com", "OptInStatus": "opt-in-not-required",
		})
	}
	return fields{"Regions": out}, nil
}

func describeAvailabilityZones(c *call, in fields) (fields, error) {
	list, err := require(c.region.zones, in.Texts("ZoneNames"), func(z zone) string { return z.name }, func(name string) error {
		return invalid("Invalid availability zone: [%s]", name)
	})
	if err != nil {
		return nil, err
	}
	list, err = require(list, in.Texts("ZoneIds"), func(z zone) string { return z.id }, func(id string) error {
		return invalid("Invalid availability zone-id: [%s]", id)
	})
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(z zone) facets {
		return facets{
			"zone-name": {z.name}, "zone-id": {z.id}, "state": {"available"}, "zone-type": {"availability-zone"},
			"region-name": {c.region.name}, "opt-in-status": {"opt-in-not-required"}, "group-name": {c.region.name + "-zg-1"},
		}
	})
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, z := range list {
		out = append(out, fields{
			"ZoneName": z.name, "ZoneId": z.id, "RegionName": c.region.name, "State": "available", "ZoneType": "availability-zone",
			"OptInStatus": "opt-in-not-required", "GroupName": c.region.name + "-zg-1", "NetworkBorderGroup": c.region.name,
			"Messages": []fields{},
		})
	}
	return fields{"AvailabilityZones": out}, nil
}

// describeVpcs knows the default one, and no other.
func describeVpcs(c *call, in fields) (fields, error) {
	list, err := require([]string{c.region.vpc}, in.Texts("VpcIds"), func(s string) string { return s }, func(id string) error {
		return refusal(400, "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(id string) facets {
		return facets{
			"vpc-id": {id}, "is-default": {"true"}, "isDefault": {"true"}, "state": {"available"}, "cidr": {"172.31.0.0/16"},
			"owner-id": {Account},
		}.tagged(nil)
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, id := range list {
		out = append(out, fields{
			"VpcId": id, "CidrBlock": "172.31.0.0/16", "IsDefault": true, "State": "available", "OwnerId": Account,
			"InstanceTenancy": "default", "DhcpOptionsId": "dopt-0" + id[5:],
		})
	}
	return fields{"Vpcs": out, "NextToken": next}, nil
}

// describeSubnets knows the default one of each zone.
func describeSubnets(c *call, in fields) (fields, error) {
	list, err := require(c.region.zones, in.Texts("SubnetIds"), func(z zone) string { return z.subnet }, func(id string) error {
		return refusal(400, "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(z zone) facets {
		return facets{
			"subnet-id": {z.subnet}, "vpc-id": {c.region.vpc}, "availability-zone": {z.name}, "availabilityZone": {z.name},
			"availability-zone-id": {z.id}, "default-for-az": {"true"}, "defaultForAz": {"true"}, "state": {"available"},
			"cidr-block": {z.block}, "map-public-ip-on-launch": {"true"}, "owner-id": {Account},
		}.tagged(nil)
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, z := range list {
		out = append(out, fields{
			"SubnetId": z.subnet, "VpcId": c.region.vpc, "AvailabilityZone": z.name, "AvailabilityZoneId": z.id, "CidrBlock": z.block,
			"DefaultForAz": true, "MapPublicIpOnLaunch": true, "State": "available", "AvailableIpAddressCount": 4091, "OwnerId": Account,
			"AssignIpv6AddressOnCreation": false,
			"SubnetArn":                   "arn:aws:ec2:" + c.region.name + ":" + Account + ":subnet/" + z.subnet,
		})
	}
	return fields{"Subnets": out, "NextToken": next}, nil
}

func describeImages(c *call, in fields) (fields, error) {
	list, err := require(imagesOf(c.region.name), in.Texts("ImageIds"), func(i image) string { return i.id }, func(id string) error {
		return refusal(400, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	})
	if err != nil {
		return nil, err
	}
	if owners := in.Texts("Owners"); len(owners) > 0 {
		list = slices.DeleteFunc(list, func(i image) bool {
			return !slices.Contains(owners, i.owner) && !slices.Contains(owners, i.alias)
		})
	}
	list, err = pick(list, in.Subs("Filters"), func(i image) facets {
		return facets{
			"image-id": {i.id}, "name": {i.name}, "architecture": {i.arch}, "owner-id": {i.owner}, "owner-alias": {i.alias},
			"state": {"available"}, "is-public": {"true"}, "root-device-type": {"ebs"}, "virtualization-type": {"hvm"},
			"root-device-name": {i.device}, "image-type": {"machine"}, "platform": nil,
		}.tagged(nil)
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 1, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, i := range list {
		out = append(out, fields{
			"ImageId": i.id, "Name": i.name, "Architecture": i.arch, "OwnerId": i.owner, "ImageOwnerAlias": cloudtest.OrNil(i.alias), "State": "available",
			"Public": true, "ImageType": "machine", "RootDeviceName": i.device, "RootDeviceType": "ebs", "VirtualizationType": "hvm",
			"Hypervisor": "xen", "EnaSupport": true, "PlatformDetails": "Linux/UNIX", "UsageOperation": "RunInstances",
			"CreationDate": i.made.Format("2006-01-02T15:04:05.000Z"), "ImdsSupport": "v2.0", "BootMode": "uefi-preferred",
			"BlockDeviceMappings": []fields{{"DeviceName": i.device, "Ebs": fields{
				"SnapshotId": "snap-" + i.id[4:], "VolumeSize": i.sizeGB, "VolumeType": "gp3", "DeleteOnTermination": true, "Encrypted": false,
			}}},
		})
	}
	return fields{"Images": out, "NextToken": next}, nil
}

// label is one tag of one thing.
type label struct{ id, resource, key, value string }

func describeTags(c *call, in fields) (fields, error) {
	at := c.seen()
	var list []label
	add := func(id, resource string, t tags) {
		now := t.at(at)
		for _, k := range sortedKeys(now) {
			list = append(list, label{id, resource, k, now[k]})
		}
	}
	for _, i := range c.region.instances {
		if i.visible(c) {
			add(i.id, "instance", i.tags)
		}
	}
	for _, v := range c.region.volumes {
		if v.state(at) != "" {
			add(v.id, "volume", v.tags)
		}
	}
	for _, a := range c.region.addresses {
		add(a.id, "elastic-ip", a.tags)
	}
	for _, t := range c.region.templates {
		add(t.id, "launch-template", t.tags)
	}
	for _, g := range c.region.groups {
		add(g.id, "security-group", g.tags)
	}
	for _, s := range c.region.spots {
		add(s.id, "spot-instances-request", s.tags)
	}
	list, err := pick(list, in.Subs("Filters"), func(l label) facets {
		return facets{"resource-id": {l.id}, "resource-type": {l.resource}, "key": {l.key}, "value": {l.value}, "tag:" + l.key: {l.value}}
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, l := range list {
		out = append(out, fields{"ResourceId": l.id, "ResourceType": l.resource, "Key": l.key, "Value": l.value})
	}
	return fields{"Tags": out, "NextToken": next}, nil
}
