// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// group is a security group of the default VPC.
type group struct {
	id, name, description string
	made                  time.Time
	rules                 []rule // for what comes in
	tags                  tags
}

// rule lets one range of ports be reached from one range of addresses, or from
// the machines of a group.
type rule struct {
	id, protocol, description string
	from, to                  int64
	block, group              string
}

// same reports whether two rules allow the same.
func (r rule) same(o rule) bool {
	r.id, r.description, o.id, o.description = "", "", "", ""
	return r == o
}

func (r *region) group(id string) *group {
	i := slices.IndexFunc(r.groups, func(g *group) bool { return g.id == id })
	if i < 0 {
		return nil
	}
	return r.groups[i]
}

func (r *region) groupNamed(name string) *group {
	i := slices.IndexFunc(r.groups, func(g *group) bool { return g.name == name })
	if i < 0 {
		return nil
	}
	return r.groups[i]
}

// identify lists groups as an instance has them.
func (r *region) identify(ids []string) []fields {
	out := []fields{}
	for _, id := range ids {
		if g := r.group(id); g != nil {
			out = append(out, fields{"GroupId": g.id, "GroupName": g.name})
		}
	}
	return out
}

func noGroup(id string) error {
	return refusal(400, "InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

func describeSecurityGroups(c *call, in fields) (fields, error) {
	at := c.seen()
	list := slices.DeleteFunc(slices.Clone(c.region.groups), func(g *group) bool { return g.made.After(at) })
	list, err := require(list, in.Texts("GroupIds"), func(g *group) string { return g.id }, noGroup)
	if err != nil {
		return nil, err
	}
	list, err = require(list, in.Texts("GroupNames"), func(g *group) string { return g.name }, noGroup)
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(g *group) facets {
		return facets{
			"group-id": {g.id}, "group-name": {g.name}, "description": {g.description}, "vpc-id": {c.region.vpc}, "owner-id": {Account},
		}.tagged(g.tags.at(at))
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, g := range list {
		permissions := []fields{}
		for _, r := range g.rules {
			permissions = append(permissions, r.permission())
		}
		out = append(out, fields{
			"GroupId": g.id, "GroupName": g.name, "Description": g.description, "VpcId": c.region.vpc, "OwnerId": Account,
			"IpPermissions": permissions, "Tags": tagList(g.tags.at(at)),
			"IpPermissionsEgress": []fields{{"IpProtocol": "-1", "IpRanges": []fields{{"CidrIp": "0.0.0.0/0"}}}},
		})
	}
	return fields{"SecurityGroups": out, "NextToken": next}, nil
}

// permission writes a rule on its own, where EC2 puts those of the same ports
// together.
func (r rule) permission() fields {
	p := fields{"IpProtocol": r.protocol}
	if r.protocol != "-1" {
		p["FromPort"], p["ToPort"] = r.from, r.to
	}
	switch {
	case r.group != "":
		p["UserIdGroupPairs"] = []fields{{"GroupId": r.group, "UserId": Account, "Description": cloudtest.OrNil(r.description)}}
	case strings.Contains(r.block, ":"):
		p["Ipv6Ranges"] = []fields{{"CidrIpv6": r.block, "Description": cloudtest.OrNil(r.description)}}
	default:
		p["IpRanges"] = []fields{{"CidrIp": r.block, "Description": cloudtest.OrNil(r.description)}}
	}
	return p
}

// strange reports whether a text can be neither the name nor the description of a
// group: EC2 allows certain characters only, up to 255 of them.
func strange(s string) bool {
	allowed := regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)
	return !allowed.MatchString(s)
}

func createSecurityGroup(c *call, in fields) (fields, error) {
	name, description := in.Text("GroupName"), in.Text("Description")
	switch {
	case strange(name) || strings.HasPrefix(name, "sg-") || name == "default":
		return nil, invalid("Value (%s) for parameter GroupName is invalid.", name)
	case strange(description):
		return nil, invalid("Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.", description)
	case in.Has("VpcId") && in.Text("VpcId") != c.region.vpc:
		return nil, refusal(400, "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", in.Text("VpcId"))
	case c.region.groupNamed(name) != nil:
		return nil, refusal(400, "InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, c.region.vpc)
	}
	t, err := specified(c.now, in, "security-group")
	if err != nil {
		return nil, err
	}
	g := &group{id: c.id("sg"), name: name, description: description, made: c.now, tags: t}
	c.region.groups = append(c.region.groups, g)
	return fields{"GroupId": g.id, "Tags": tagList(t.last())}, nil
}

// target finds the group that a request is about, and the rules it names.
func (c *call) target(in fields) (*group, []rule, error) {
	g := c.region.group(in.Text("GroupId"))
	if name := in.Text("GroupName"); g == nil && name != "" {
		g = c.region.groupNamed(name)
	}
	if g == nil {
		return nil, nil, noGroup(cmp.Or(in.Text("GroupId"), in.Text("GroupName")))
	}
	permissions := in.Subs("IpPermissions")
	if len(permissions) == 0 && in.Has("CidrIp") {
		permissions = []fields{{
			"IpProtocol": in["IpProtocol"], "FromPort": in["FromPort"], "ToPort": in["ToPort"],
			"IpRanges": []any{fields{"CidrIp": in["CidrIp"]}},
		}}
	}
	var rules []rule
	for _, p := range permissions {
		more, err := c.rules(p)
		if err != nil {
			return nil, nil, err
		}
		rules = append(rules, more...)
	}
	return g, rules, nil
}

// rules takes a permission apart.
func (c *call) rules(p fields) ([]rule, error) {
	base := rule{protocol: p.Text("IpProtocol")}
	switch base.protocol {
	case "-1":
	case "tcp", "udp", "6", "17":
		if !p.Has("FromPort") || !p.Has("ToPort") {
			return nil, refusal(400, "MissingParameter", "The request must contain the parameter FromPort and ToPort")
		}
		base.from, base.to = int64(p.Number("FromPort", 0)), int64(p.Number("ToPort", 0))
		if base.from < 0 || base.to > 65535 || base.from > base.to {
			return nil, invalid("Invalid port range: %d-%d", base.from, base.to)
		}
	case "icmp", "icmpv6":
		base.from, base.to = int64(p.Number("FromPort", -1)), int64(p.Number("ToPort", -1))
	default:
		return nil, invalid("Invalid value '%s' for IP protocol. Unknown protocol.", base.protocol)
	}
	var out []rule
	for _, from := range append(p.Subs("IpRanges"), p.Subs("Ipv6Ranges")...) {
		r := base
		r.block, r.description = cmp.Or(from.Text("CidrIp"), from.Text("CidrIpv6")), from.Text("Description")
		if block, err := netip.ParsePrefix(r.block); err != nil || block.Masked() != block {
			return nil, invalid("CIDR block %s is malformed", r.block)
		}
		out = append(out, r)
	}
	for _, from := range p.Subs("UserIdGroupPairs") {
		r := base
		r.group, r.description = from.Text("GroupId"), from.Text("Description")
		if c.region.group(r.group) == nil {
			return nil, noGroup(r.group)
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, refusal(400, "MissingParameter", "The request must contain the parameter CidrIp, CidrIpv6 or a security group")
	}
	return out, nil
}

func authorizeSecurityGroupIngress(c *call, in fields) (fields, error) {
	g, rules, err := c.target(in)
	if err != nil {
		return nil, err
	}
	for at := range rules {
		if slices.ContainsFunc(g.rules, rules[at].same) {
			return nil, refusal(400, "InvalidPermission.Duplicate", "the specified rule \"peer: %s, %s, from port: %d, to port: %d, ALLOW\" already exists",
				rules[at].block+rules[at].group, rules[at].protocol, rules[at].from, rules[at].to)
		}
		rules[at].id = c.id("sgr")
	}
	g.rules = append(g.rules, rules...)
	made := []fields{}
	for _, r := range rules {
		f := fields{
			"SecurityGroupRuleId": r.id, "GroupId": g.id, "GroupOwnerId": Account, "IsEgress": false, "IpProtocol": r.protocol,
			"FromPort": r.from, "ToPort": r.to, "Description": cloudtest.OrNil(r.description),
		}
		switch {
		case r.group != "":
			f["ReferencedGroupInfo"] = fields{"GroupId": r.group, "UserId": Account}
		case strings.Contains(r.block, ":"):
			f["CidrIpv6"] = r.block
		default:
			f["CidrIpv4"] = r.block
		}
		made = append(made, f)
	}
	return fields{"Return": true, "SecurityGroupRules": made}, nil
}

func revokeSecurityGroupIngress(c *call, in fields) (fields, error) {
	g, rules, err := c.target(in)
	if err != nil {
		return nil, err
	}
	for _, id := range in.Texts("SecurityGroupRuleIds") {
		at := slices.IndexFunc(g.rules, func(r rule) bool { return r.id == id })
		if at < 0 {
			return nil, refusal(400, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
		}
		rules = append(rules, g.rules[at])
	}
	for _, r := range rules {
		if !slices.ContainsFunc(g.rules, r.same) {
			return nil, refusal(400, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
	}
	for _, r := range rules {
		g.rules = slices.DeleteFunc(g.rules, r.same)
	}
	return fields{"Return": true}, nil
}

// deleteSecurityGroup refuses while an instance or a rule has need of the group.
func deleteSecurityGroup(c *call, in fields) (fields, error) {
	g, _, err := c.target(in)
	if err != nil {
		return nil, err
	}
	r := c.region
	if g == r.groups[0] {
		return nil, refusal(400, "CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.id)
	}
	used := slices.ContainsFunc(r.instances, func(i *instance) bool { return i.held(c.now) && slices.Contains(i.plan.groups, g.id) })
	for _, other := range r.groups {
		used = used || other != g && slices.ContainsFunc(other.rules, func(r rule) bool { return r.group == g.id })
	}
	if used {
		return nil, refusal(400, "DependencyViolation", "resource %s has a dependent object", g.id)
	}
	r.groups = slices.DeleteFunc(r.groups, func(o *group) bool { return o == g })
	return nil, nil
}
