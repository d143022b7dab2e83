// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"slices"
	"time"
)

func ec2Actions() map[string]handler {
	return map[string]handler{
		"RunInstances":                   runInstances,
		"TerminateInstances":             terminateInstances,
		"DescribeInstances":              describeInstances,
		"DescribeInstanceStatus":         describeInstanceStatus,
		"GetConsoleOutput":               getConsoleOutput,
		"DescribeSpotInstanceRequests":   describeSpotInstanceRequests,
		"CancelSpotInstanceRequests":     cancelSpotInstanceRequests,
		"CreateFleet":                    createFleet,
		"CreateLaunchTemplate":           createLaunchTemplate,
		"CreateLaunchTemplateVersion":    createLaunchTemplateVersion,
		"ModifyLaunchTemplate":           modifyLaunchTemplate,
		"DescribeLaunchTemplates":        describeLaunchTemplates,
		"DescribeLaunchTemplateVersions": describeLaunchTemplateVersions,
		"DeleteLaunchTemplate":           deleteLaunchTemplate,
		"DescribeInstanceTypes":          describeInstanceTypes,
		"DescribeInstanceTypeOfferings":  describeInstanceTypeOfferings,
		"DescribeSpotPriceHistory":       describeSpotPriceHistory,
		"DescribeRegions":                describeRegions,
		"DescribeAvailabilityZones":      describeAvailabilityZones,
		"DescribeVpcs":                   describeVpcs,
		"DescribeSubnets":                describeSubnets,
		"DescribeSecurityGroups":         describeSecurityGroups,
		"CreateSecurityGroup":            createSecurityGroup,
		"AuthorizeSecurityGroupIngress":  authorizeSecurityGroupIngress,
		"RevokeSecurityGroupIngress":     revokeSecurityGroupIngress,
		"DeleteSecurityGroup":            deleteSecurityGroup,
		"AllocateAddress":                allocateAddress,
		"AssociateAddress":               associateAddress,
		"DisassociateAddress":            disassociateAddress,
		"ReleaseAddress":                 releaseAddress,
		"DescribeAddresses":              describeAddresses,
		"CreateTags":                     createTags,
		"DeleteTags":                     deleteTags,
		"DescribeTags":                   describeTags,
		"DescribeImages":                 describeImages,
		"DescribeVolumes":                describeVolumes,
		"DeleteVolume":                   deleteVolume,
	}
}

func noInstance(id string) error {
	return refusal(400, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
}

// choose gives the instances that a request names, or all, as far as they are
// visible.
func (c *call) choose(ids []string) ([]*instance, error) {
	for _, id := range ids {
		if len(id) != len("i-0123456789abcdef0") && len(id) != len("i-01234567") || id[:2] != "i-" {
			return nil, refusal(400, "InvalidInstanceID.Malformed", "Invalid id: \"%s\"", id)
		}
	}
	var list []*instance
	for _, i := range c.region.instances {
		if i.visible(c) {
			list = append(list, i)
		}
	}
	return require(list, ids, func(i *instance) string { return i.id }, noInstance)
}

func describeInstances(c *call, in fields) (fields, error) {
	ids := in.Texts("InstanceIds")
	if len(ids) > 0 && in.Has("MaxResults") {
		return nil, refusal(400, "InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	list, err := c.choose(ids)
	if err != nil {
		return nil, err
	}
	at := c.seen()
	filters := in.Subs("Filters")
	of := func(i *instance) facets { return i.facets(c.region, at) }
	if _, err := of(&instance{}).picked(filters); err != nil {
		return nil, err // also when there is no instance at all
	}
	if list, err = pick(list, filters, of); err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, func(i *instance) int { return i.rank })
	if err != nil {
		return nil, err
	}
	var reservations []fields
	for _, i := range list {
		n := len(reservations)
		if n == 0 || reservations[n-1]["ReservationId"] != i.reservation {
			reservations = append(reservations, fields{
				"ReservationId": i.reservation, "OwnerId": Account, "Groups": []fields{}, "Instances": []fields{},
			})
			n++
		}
		told, _ := reservations[n-1]["Instances"].([]fields)
		reservations[n-1]["Instances"] = append(told, i.describe(c.region, at))
	}
	return fields{"Reservations": orEmpty(reservations), "NextToken": next}, nil
}

// orEmpty makes a list of none an empty one, which is answered as such.
func orEmpty(list []fields) []fields {
	if list == nil {
		return []fields{}
	}
	return list
}

func terminateInstances(c *call, in fields) (fields, error) {
	list, err := c.choose(in.Texts("InstanceIds"))
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.plan.protected && i.live(c.now) {
			return nil, refusal(400, "OperationNotPermitted", "The instance '%s' may not be terminated. "+
				"Modify its 'disableApiTermination' instance attribute and try again.", i.id)
		}
	}
	out := []fields{}
	for _, i := range list {
		before := i.state(c.now)
		i.end(c.AWS, c.now, userEnds(c.now))
		after := i.state(c.now)
		if before.code != 48 {
			after = state{32, "shutting-down"} // said at first even if it takes no time
		}
		out = append(out, fields{"InstanceId": i.id, "PreviousState": before.fields(), "CurrentState": after.fields()})
	}
	return fields{"TerminatingInstances": out}, nil
}

func describeInstanceStatus(c *call, in fields) (fields, error) {
	list, err := c.choose(in.Texts("InstanceIds"))
	if err != nil {
		return nil, err
	}
	at := c.seen()
	if !in.Flag("IncludeAllInstances") {
		list = slices.DeleteFunc(slices.Clone(list), func(i *instance) bool { return i.state(at).name != "running" })
	}
	of := func(i *instance) facets {
		return facets{"instance-state-name": {i.state(at).name}, "availability-zone": {i.zone.name}, "instance-status.status": nil}
	}
	if list, err = pick(list, in.Subs("Filters"), of); err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, func(i *instance) int { return i.rank })
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, i := range list {
		out = append(out, fields{
			"InstanceId": i.id, "AvailabilityZone": i.zone.name, "InstanceState": i.state(at).fields(),
			"InstanceStatus": i.health(at), "SystemStatus": i.health(at), "Events": []fields{},
		})
	}
	return fields{"InstanceStatuses": out, "NextToken": next}, nil
}

// health is what EC2's own checks of an instance say. They take some minutes.
func (i *instance) health(at time.Time) fields {
	const checks = 3 * time.Minute
	status, detail := "ok", "passed"
	switch {
	case i.state(at).name != "running":
		return fields{"Status": "not-applicable"}
	case at.Sub(i.running) < checks:
		status, detail = "initializing", "initializing"
	case i.unplugged:
		status, detail = "impaired", "failed"
	}
	return fields{"Status": status, "Details": []fields{{"Name": "reachability", "Status": detail}}}
}
