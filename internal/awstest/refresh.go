// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// refresh replaces the instances of a group, one after the other.
type refresh struct {
	id          string // none if it is AWS that wants it; see [AWS.Redistribute]
	began, over time.Time
	old         []*instance // that are still to be replaced
	all         int
	warmUp      time.Duration
	before      bool // whether the new one comes before the old one goes
	preferences fields
	template    fields
}

// surplus is how many instances a group has beyond what is desired, while a refresh
// launches before it ends.
func (g *scalingGroup) surplus() int {
	if r := g.refreshing(); r != nil && r.before && len(r.old) > 0 {
		return 1
	}
	return 0
}

// refreshing gives the refresh that is under way, or nil.
func (g *scalingGroup) refreshing() *refresh {
	return find(g.refreshes, func(r *refresh) bool { return r.over.IsZero() })
}

// renew goes on with a refresh: when all instances that are to be there are, and
// the new ones have warmed up, the next old one goes.
func (c *call) renew(g *scalingGroup) {
	r := g.refreshing()
	if r == nil {
		return
	}
	there := g.there()
	r.old = slices.DeleteFunc(r.old, func(i *instance) bool { return i.leaving })
	if len(there) < g.desired+g.surplus() {
		return
	}
	for _, i := range there {
		warm := i.running
		if !i.launched.Before(r.began) {
			warm = warm.Add(r.warmUp)
		}
		if !slices.Contains(r.old, i) && (i.state(c.now).name != "running" || c.now.Before(warm)) {
			return
		}
	}
	if len(r.old) == 0 {
		r.over = c.now
		return
	}
	c.discard(g, r.old[0], "in response to an instance refresh")
	r.old = r.old[1:]
}

// Redistribute has groups move what they have to other zones, as they do when those
// have capacity again: what is new is launched first, and what is old is ended when that
// runs. A group whose process AZRebalance is suspended stays as it is.
func (a *AWS) Redistribute() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.scale(now)
	for _, r := range a.regions {
		for _, g := range r.scaling {
			if old := g.there(); !g.settled && g.refreshing() == nil {
				g.refreshes = append(g.refreshes, &refresh{began: now, old: old, all: len(old), before: true})
			}
		}
	}
}

func startInstanceRefresh(c *call, in fields) (fields, error) {
	g, err := c.scalingGroup(in)
	if err != nil {
		return nil, err
	}
	if g.refreshing() != nil {
		return nil, refusal(http.StatusBadRequest, "InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.")
	}
	if s := in.Text("Strategy"); s != "" && s != "Rolling" {
		return nil, wrongScaling("The strategy %s is not done by package awstest", s)
	}
	if t := in.Sub("DesiredConfiguration").Sub("LaunchTemplate"); t != nil {
		if err := c.change(g, fields{"LaunchTemplate": t}); err != nil {
			return nil, err
		}
	}
	preferences := in.Sub("Preferences")
	r := &refresh{
		id: "refresh-" + hex16(c.random.Uint64()), began: c.now, preferences: preferences, template: in.Sub("DesiredConfiguration"),
		warmUp: time.Duration(preferences.Number("InstanceWarmup", g.grace)) * time.Second,
		before: preferences.Number("MaxHealthyPercentage", 100) > 100,
	}
	_, t, n, err := c.region.asked(g.template, fields{})
	if err != nil {
		return nil, wrongScaling("You must use a valid fully-formed launch template. %v", err)
	}
	for _, i := range g.there() {
		same := i.template.Text("LaunchTemplateId") == t.id && i.template.Text("Version") == strconv.Itoa(n)
		if !same || !preferences.Flag("SkipMatching") {
			r.old = append(r.old, i)
		}
	}
	r.all = len(r.old)
	g.refreshes = append(g.refreshes, r)
	return fields{"InstanceRefreshId": r.id}, nil
}

func describeInstanceRefreshes(c *call, in fields) (fields, error) {
	g, err := c.scalingGroup(in)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, r := range slices.Backward(g.refreshes) {
		if ids := in.Texts("InstanceRefreshIds"); r.id == "" || len(ids) > 0 && !slices.Contains(ids, r.id) {
			continue
		}
		f := fields{
			"InstanceRefreshId": r.id, "AutoScalingGroupName": g.name, "Status": "InProgress", "StartTime": r.began,
			"InstancesToUpdate": len(r.old), "PercentageComplete": 0, "Preferences": r.preferences, "DesiredConfiguration": r.template,
		}
		if r.all > 0 {
			f["PercentageComplete"] = 100 * (r.all - len(r.old)) / r.all
		}
		if !r.over.IsZero() {
			f["Status"], f["EndTime"], f["PercentageComplete"] = "Successful", r.over, 100
		}
		out = append(out, f)
	}
	return fields{"InstanceRefreshes": out}, nil
}
