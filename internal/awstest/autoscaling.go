// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func autoscalingActions() map[string]handler {
	return map[string]handler{
		"CreateAutoScalingGroup":              createScalingGroup,
		"UpdateAutoScalingGroup":              updateScalingGroup,
		"DescribeAutoScalingGroups":           describeScalingGroups,
		"DeleteAutoScalingGroup":              deleteScalingGroup,
		"SetDesiredCapacity":                  setDesiredCapacity,
		"SuspendProcesses":                    suspendProcesses,
		"CreateOrUpdateTags":                  createOrUpdateTags,
		"DescribeScalingActivities":           describeScalingActivities,
		"StartInstanceRefresh":                startInstanceRefresh,
		"DescribeInstanceRefreshes":           describeInstanceRefreshes,
		"TerminateInstanceInAutoScalingGroup": terminateInScalingGroup,
	}
}

// scalingGroup is an Auto Scaling group: it keeps as many instances of a launch
// template as it is told to.
type scalingGroup struct {
	name                 string
	made                 time.Time
	least, most, desired int
	template             fields // as it was named
	zones                []zone
	grace                int
	tags                 []groupTag
	instances            []*instance
	deleted              bool
	again                time.Time // when to try again what has failed
	activities           []activity
	refreshes            []*refresh
	// settled is that the process AZRebalance is suspended.
	settled bool
}

// groupTag is a tag of a group, which its instances may get too.
type groupTag struct {
	key, value string
	passed     bool
}

// activity is something that a group has done, or could not.
type activity struct {
	id, what, cause, failure string
	at                       time.Time
}

// wrongScaling is what Auto Scaling says of most things that are wrong.
func wrongScaling(format string, args ...any) error {
	return refusal(http.StatusBadRequest, "ValidationError", format, args...)
}

// scalingGroup finds the group that a request is about.
func (c *call) scalingGroup(in fields) (*scalingGroup, error) {
	name := in.Text("AutoScalingGroupName")
	g := find(c.region.scaling, func(g *scalingGroup) bool { return g.name == name && !g.deleted })
	if g == nil {
		return nil, wrongScaling("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", name)
	}
	return g, nil
}

func createScalingGroup(c *call, in fields) (fields, error) {
	name := in.Text("AutoScalingGroupName")
	if slices.ContainsFunc(c.region.scaling, func(g *scalingGroup) bool { return g.name == name }) {
		return nil, refusal(http.StatusBadRequest, "AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name %s already exists", name)
	}
	g := &scalingGroup{name: name, made: c.now}
	if !in.Has("LaunchTemplate") {
		return nil, wrongScaling("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	}
	if !in.Has("VPCZoneIdentifier") && !in.Has("AvailabilityZones") {
		return nil, wrongScaling("At least one Availability Zone or VPC Subnet is required.")
	}
	if !in.Has("DesiredCapacity") {
		in["DesiredCapacity"] = in["MinSize"]
	}
	if err := c.change(g, in); err != nil {
		return nil, err
	}
	if err := g.tag(in.Subs("Tags")); err != nil {
		return nil, err
	}
	c.region.scaling = append(c.region.scaling, g)
	c.tend()
	return nil, nil
}

// change takes what a request says of a group, all of it or nothing.
func (c *call) change(g *scalingGroup, in fields) error {
	for name := range in {
		known := []string{
			"AutoScalingGroupName", "LaunchTemplate", "MinSize", "MaxSize", "DesiredCapacity", "VPCZoneIdentifier", "AvailabilityZones",
			"HealthCheckType", "HealthCheckGracePeriod", "Tags", "DefaultCooldown", "DefaultInstanceWarmup", "TerminationPolicies",
			"InstanceMaintenancePolicy", "NewInstancesProtectedFromScaleIn", "CapacityRebalance",
		}
		if !slices.Contains(known, name) {
			return wrongScaling("The parameter %s is not done by package awstest", name)
		}
	}
	next := *g
	next.least, next.most = in.Number("MinSize", g.least), in.Number("MaxSize", g.most)
	next.desired, next.grace = in.Number("DesiredCapacity", g.desired), in.Number("HealthCheckGracePeriod", g.grace)
	switch {
	case next.least > next.most:
		return wrongScaling("Max bound, %d, must be greater than or equal to min bound, %d", next.most, next.least)
	case next.desired < next.least || next.desired > next.most:
		return wrongScaling("Desired capacity:%d must be between the specified min size:%d and max size:%d", next.desired, next.least, next.most)
	case in.Has("HealthCheckType") && in.Text("HealthCheckType") != "EC2":
		return wrongScaling("The health checks %s are not done by package awstest", in.Text("HealthCheckType"))
	}
	if in.Has("LaunchTemplate") {
		next.template = in.Sub("LaunchTemplate")
		// Held against what EC2 would say, as Auto Scaling does.
		ask, _, _, err := c.region.asked(next.template, fields{})
		if err == nil {
			_, err = c.plan(ask)
		}
		if err != nil {
			return wrongScaling("You must use a valid fully-formed launch template. %v", err)
		}
	}
	if err := c.spread(&next, in); err != nil {
		return err
	}
	*g = next
	return nil
}

// spread finds the zones of a group.
func (c *call) spread(g *scalingGroup, in fields) error {
	named := in.Texts("AvailabilityZones")
	subnets := strings.FieldsFunc(in.Text("VPCZoneIdentifier"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(named)+len(subnets) == 0 {
		return nil
	}
	g.zones = nil
	for _, z := range c.region.zones {
		if slices.Contains(named, z.name) || slices.Contains(subnets, z.subnet) {
			g.zones = append(g.zones, z)
		}
	}
	if len(g.zones) < max(len(named), len(subnets)) {
		return wrongScaling("The subnet or zone is not one of this region: %v %v", named, subnets)
	}
	return nil
}

// tag changes the tags of a group.
func (g *scalingGroup) tag(list []fields) error {
	for _, t := range list {
		if strings.HasPrefix(strings.ToLower(t.Text("Key")), "aws:") {
			return wrongScaling("Tag keys that begin with aws: are reserved")
		}
		g.tags = slices.DeleteFunc(g.tags, func(o groupTag) bool { return o.key == t.Text("Key") })
		g.tags = append(g.tags, groupTag{t.Text("Key"), t.Text("Value"), t.Flag("PropagateAtLaunch")})
	}
	return nil
}

func updateScalingGroup(c *call, in fields) (fields, error) {
	g, err := c.scalingGroup(in)
	if err == nil {
		err = c.change(g, in)
	}
	return nil, err
}

func setDesiredCapacity(c *call, in fields) (fields, error) {
	g, err := c.scalingGroup(in)
	if err != nil {
		return nil, err
	}
	n := in.Number("DesiredCapacity", 0)
	if n < g.least || n > g.most {
		return nil, wrongScaling("New SetDesiredCapacity value %d is not between the min value %d and the max value %d for the AutoScalingGroup.", n, g.least, g.most)
	}
	g.desired = n
	return nil, nil
}

// azRebalance is the process by which a group is spread evenly over its zones.
const azRebalance = "AZRebalance"

func suspendProcesses(c *call, in fields) (fields, error) {
	g, err := c.scalingGroup(in)
	if err != nil {
		return nil, err
	}
	if names := in.Texts("ScalingProcesses"); len(names) != 1 || names[0] != azRebalance {
		return nil, wrongScaling("To suspend the processes %v is not done by package awstest", names)
	}
	g.settled = true
	return nil, nil
}

func createOrUpdateTags(c *call, in fields) (fields, error) {
	for _, t := range in.Subs("Tags") {
		if t.Text("ResourceType") != "auto-scaling-group" {
			return nil, wrongScaling("The resource type %q is not one that has tags", t.Text("ResourceType"))
		}
		g, err := c.scalingGroup(fields{"AutoScalingGroupName": t["ResourceId"]})
		if err == nil {
			err = g.tag([]fields{t})
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// deleteScalingGroup ends the instances of a group first, if it is forced to; until
// they are gone it can be seen.
func deleteScalingGroup(c *call, in fields) (fields, error) {
	g, err := c.scalingGroup(in)
	if err != nil {
		return nil, err
	}
	if len(g.there()) > 0 && !in.Flag("ForceDelete") {
		return nil, refusal(http.StatusBadRequest, "ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
	}
	g.deleted, g.desired = true, 0
	return nil, nil
}

func terminateInScalingGroup(c *call, in fields) (fields, error) {
	id := in.Text("InstanceId")
	for _, g := range c.region.scaling {
		i := find(g.there(), func(i *instance) bool { return i.id == id })
		if i == nil {
			continue
		}
		if in.Flag("ShouldDecrementDesiredCapacity") {
			if g.desired == g.least {
				return nil, wrongScaling("Currently, desiredSize equals minSize (%d). Terminating instance without replacement will violate group's min size constraint.", g.least)
			}
			g.desired--
		}
		return fields{"Activity": c.discard(g, i, "at the request of a user").describe(g)}, nil
	}
	return nil, wrongScaling("Instance Id not found - No managed instance found for instance ID: %s", id)
}

func describeScalingGroups(c *call, in fields) (fields, error) {
	names := in.Texts("AutoScalingGroupNames")
	list := slices.DeleteFunc(slices.Clone(c.region.scaling), func(g *scalingGroup) bool {
		return len(names) > 0 && !slices.Contains(names, g.name) // those that there are not are left out
	})
	list, err := pick(list, in.Subs("Filters"), func(g *scalingGroup) facets {
		tags := map[string]string{}
		for _, t := range g.tags {
			tags[t.key] = t.value
		}
		return facets{}.tagged(tags)
	})
	if err != nil {
		return nil, err
	}
	in["MaxResults"] = in["MaxRecords"]
	list, next, err := page(list, in, 1, 100, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, g := range list {
		out = append(out, g.describe(c))
	}
	return fields{"AutoScalingGroups": out, "NextToken": next}, nil
}

func (g *scalingGroup) describe(c *call) fields {
	zones, subnets, tags, instances := []string{}, []string{}, []fields{}, []fields{}
	for _, z := range g.zones {
		zones, subnets = append(zones, z.name), append(subnets, z.subnet)
	}
	for _, t := range g.tags {
		tags = append(tags, fields{
			"Key": t.key, "Value": t.value, "PropagateAtLaunch": t.passed, "ResourceId": g.name, "ResourceType": "auto-scaling-group",
		})
	}
	for _, i := range g.instances {
		instances = append(instances, fields{
			"InstanceId": i.id, "InstanceType": i.plan.kind.name, "AvailabilityZone": i.zone.name, "LifecycleState": i.lifecycle(c.now),
			"HealthStatus": "Healthy", "ProtectedFromScaleIn": false, "LaunchTemplate": i.template,
		})
	}
	out := fields{
		"AutoScalingGroupName": g.name, "AutoScalingGroupARN": g.arn(c.region), "CreatedTime": g.made, "MinSize": g.least, "MaxSize": g.most,
		"DesiredCapacity": g.desired, "DefaultCooldown": 300, "AvailabilityZones": zones, "VPCZoneIdentifier": strings.Join(subnets, ","),
		"HealthCheckType": "EC2", "HealthCheckGracePeriod": g.grace, "LaunchTemplate": g.template, "Tags": tags, "Instances": instances,
		"NewInstancesProtectedFromScaleIn": false, "TerminationPolicies": []string{"Default"},
	}
	if g.settled {
		out["SuspendedProcesses"] = []fields{{"ProcessName": azRebalance, "SuspensionReason": "User suspended at " + c.now.UTC().Format(time.RFC3339)}}
	}
	if g.deleted {
		out["Status"] = "Delete in progress"
	}
	return out
}

func (g *scalingGroup) arn(r *region) string {
	return "arn:aws:autoscaling:" + r.name + ":" + Account + ":autoScalingGroup:" + hex16(hash(g.name, r.name)) + ":autoScalingGroupName/" + g.name
}

func describeScalingActivities(c *call, in fields) (fields, error) {
	out := []fields{}
	for _, g := range c.region.scaling {
		if name := in.Text("AutoScalingGroupName"); name != "" && name != g.name {
			continue
		}
		for _, a := range slices.Backward(g.activities) {
			out = append(out, a.describe(g))
		}
	}
	return fields{"Activities": out}, nil
}

func (a activity) describe(g *scalingGroup) fields {
	out := fields{
		"ActivityId": a.id, "AutoScalingGroupName": g.name, "Description": a.what, "Cause": a.cause, "StartTime": a.at, "EndTime": a.at,
		"StatusCode": "Successful", "Progress": 100,
	}
	if a.failure != "" {
		out["StatusCode"], out["StatusMessage"] = "Failed", a.failure
	}
	return out
}

// note writes down what a group has done.
func (c *call) note(g *scalingGroup, what, cause, failure string) activity {
	a := activity{id: "activity-" + strconv.Itoa(len(g.activities)+1), what: what, cause: cause, failure: failure, at: c.now}
	g.activities = append(g.activities, a)
	return a
}
