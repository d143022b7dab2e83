// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// firewall is a rule of who may reach which instances. Here nobody is kept out.
type firewall struct {
	id   uint64
	name string
	made time.Time
	rule fields // as it was asked for, with what goes without saying
}

// newFirewalls are those that every project has at first.
func (g *GCP) newFirewalls(now time.Time) []*firewall {
	anywhere, own := []any{"0.0.0.0/0"}, []any{"10.128.0.0/9"}
	tcp := func(port string) fields { return fields{"IPProtocol": "tcp", "ports": []any{port}} }
	var out []*firewall
	for _, row := range []struct {
		name    string
		allowed []any
		sources []any
	}{
		{"default-allow-icmp", []any{fields{"IPProtocol": "icmp"}}, anywhere},
		{"default-allow-internal", []any{tcp("0-65535"), fields{"IPProtocol": "udp", "ports": []any{"0-65535"}}, fields{"IPProtocol": "icmp"}}, own},
		{"default-allow-rdp", []any{tcp("3389")}, anywhere},
		{"default-allow-ssh", []any{tcp("22")}, anywhere},
	} {
		out = append(out, &firewall{id: g.id(), name: row.name, made: now.AddDate(-1, 0, 0), rule: fields{
			"name": row.name, "network": link(networkPath()), "direction": "INGRESS", "priority": int64(65534),
			"sourceRanges": row.sources, "allowed": row.allowed, "disabled": false, "logConfig": fields{"enable": false},
		}})
	}
	return out
}

func (f *firewall) path() string { return global("firewalls", f.name) }

func (f *firewall) describe() fields {
	out := maps.Clone(f.rule)
	out["kind"], out["id"], out["creationTimestamp"], out["selfLink"] = "compute#firewall", f.id, stamp(f.made), link(f.path())
	return out
}

// understood holds a rule to what Compute Engine asks of it, and adds what goes without
// saying.
func (c *call) understood(rule fields) (fields, error) {
	if err := c.only(rule, "resource", "name", "description", "network", "direction", "priority", "disabled", "logConfig", "allowed", "denied",
		"sourceRanges", "sourceTags", "targetTags", "destinationRanges"); err != nil {
		return nil, err
	}
	out := fields{
		"network": link(networkPath()), "direction": "INGRESS", "priority": int64(1000), "disabled": false, "logConfig": fields{"enable": false},
	}
	maps.Copy(out, rule)
	out["network"] = link(c.path(out.Text("network")))
	if out.Text("network") != link(networkPath()) {
		return nil, invalid("Invalid value for field 'resource.network': '%s'. The referenced network resource cannot be found.", rule.Text("network"))
	}
	allowed, denied := out.Subs("allowed"), out.Subs("denied")
	if (len(allowed) == 0) == (len(denied) == 0) {
		return nil, invalid("Invalid value for field 'resource.allowed': ''. Either allowed or denied must be set, and not both.")
	}
	for _, a := range append(allowed, denied...) {
		if err := holdPorts(a); err != nil {
			return nil, err
		}
	}
	if priority := out.Number("priority", 0); priority < 0 || priority > 65535 {
		return nil, invalid("Invalid value for field 'resource.priority': '%d'. Must be between 0 and 65535.", priority)
	}
	if out.Text("direction") == "INGRESS" && len(out.Texts("sourceRanges"))+len(out.Texts("sourceTags")) == 0 {
		out["sourceRanges"] = []any{"0.0.0.0/0"}
	}
	for _, name := range []string{"sourceRanges", "destinationRanges"} {
		for _, block := range out.Texts(name) {
			if _, err := netip.ParsePrefix(block); err != nil {
				return nil, invalid("Invalid value for field 'resource.%s': '%s'. Must be a valid CIDR range.", name, block)
			}
		}
	}
	return out, nil
}

// holdPorts holds ports to their protocol, of which not all have any.
func holdPorts(a fields) error {
	protocol := strings.ToLower(a.Text("IPProtocol"))
	if protocol == "" {
		return invalid("Invalid value for field 'resource.allowed[0].IPProtocol': ''.")
	}
	for _, port := range a.Texts("ports") {
		if !slices.Contains([]string{"tcp", "udp", "sctp", "6", "17", "132"}, protocol) {
			return invalid("Invalid value for field 'resource.allowed[0].ports': '%s'. The protocol %s has no ports.", port, protocol)
		}
		if !regexp.MustCompile(`^\d{1,5}(-\d{1,5})?$`).MatchString(port) {
			return invalid("Invalid value for field 'resource.allowed[0].ports[0]': '%s'. Invalid port or range.", port)
		}
	}
	return nil
}

func (c *call) firewall(name string) (*firewall, error) {
	f := find(c.compute.firewalls, func(f *firewall) bool { return f.name == name })
	if f == nil {
		return nil, notFound(global("firewalls", name))
	}
	return f, nil
}

func listFirewalls(c *call, _ fields) (fields, error) {
	return listed(c, "compute#firewallList", "Firewall", c.compute.firewalls, (*firewall).describe)
}

func getFirewall(c *call, _ fields) (fields, error) {
	f, err := c.firewall(c.param("firewall"))
	if err != nil {
		return nil, err
	}
	return f.describe(), nil
}

func insertFirewall(c *call, in fields) (*operation, error) {
	f := &firewall{id: c.id(), name: in.Text("name"), made: c.now}
	if _, err := c.firewall(f.name); err == nil {
		return nil, exists(f.path())
	}
	var err error
	if f.rule, err = c.understood(in); err != nil {
		return nil, err
	}
	c.compute.firewalls = append(c.compute.firewalls, f)
	return c.begin(f.path(), f.id, c.now), nil
}

// patchFirewall changes what is named of a rule, and nothing else.
func patchFirewall(c *call, in fields) (*operation, error) {
	f, err := c.firewall(c.param("firewall"))
	if err != nil {
		return nil, err
	}
	if in.Text("name") != f.name {
		return nil, invalid("Invalid value for field 'resource.name': '%s'. The name of a firewall cannot be changed.", in.Text("name"))
	}
	rule := maps.Clone(f.rule)
	for name, value := range in {
		rule[name] = value
		if list, ok := value.([]any); value == nil || ok && len(list) == 0 {
			delete(rule, name)
		}
	}
	if rule, err = c.understood(rule); err != nil {
		return nil, err
	}
	f.rule = rule
	return c.begin(f.path(), f.id, c.now), nil
}

func deleteFirewall(c *call, _ fields) (*operation, error) {
	f, err := c.firewall(c.param("firewall"))
	if err != nil {
		return nil, err
	}
	c.compute.firewalls = slices.DeleteFunc(c.compute.firewalls, func(o *firewall) bool { return o == f })
	return c.begin(f.path(), f.id, c.now), nil
}

// original reports whether the rule is one of those that there are at first.
func (f *firewall) original() bool { return strings.HasPrefix(f.name, networkName+"-allow-") }
