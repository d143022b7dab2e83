// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

const (
	// retryScaling is when a group tries again what has failed.
	retryScaling = 10 * time.Second
	// tending is how often groups look at their machines.
	tending = 100 * time.Millisecond
)

// tend has the groups of all regions do what is due. Where instances are records
// whoever asks has it done first, as nothing happens that nobody can see; machines
// end by themselves, and so somebody looks all the time.
func (c *call) tend() {
	if !c.options.Machines {
		return
	}
	a := c.AWS
	a.tending.Do(func() {
		a.machines.Go(func() {
			look := time.NewTicker(tending)
			defer look.Stop()
			for {
				select {
				case <-a.closed:
					return
				case <-look.C:
					a.mu.Lock()
					a.scale(time.Now())
					a.mu.Unlock()
				}
			}
		})
	})
}

// scale has every group come to what it is to be.
func (a *AWS) scale(now time.Time) {
	select {
	case <-a.closed:
		return
	default:
	}
	for _, name := range regionNames() {
		r := a.regions[name]
		for _, g := range r.scaling {
			c := &call{AWS: a, region: r, now: now, by: "autoscaling"}
			c.settle(g)
		}
		r.scaling = slices.DeleteFunc(r.scaling, func(g *scalingGroup) bool { return g.deleted && len(g.instances) == 0 })
	}
}

// there gives the instances that a group counts on: those that it has not ended, and
// not seen to have ended.
func (g *scalingGroup) there() []*instance {
	return slices.DeleteFunc(slices.Clone(g.instances), func(i *instance) bool { return i.leaving })
}

// settle replaces what is lost, and launches or ends what is too few or too many.
func (c *call) settle(g *scalingGroup) {
	due := c.notice(g)
	c.renew(g)
	there := g.there()
	for ; len(there) > g.desired+g.surplus(); there = there[1:] {
		c.discard(g, there[0], "in response to a difference between desired and actual capacity, shrinking the capacity")
	}
	if c.now.Before(g.again) {
		return
	}
	// What nobody has seen until now has happened when it was due.
	c.now = due
	for n := len(there); n < g.desired+g.surplus(); n++ {
		if err := c.grow(g); err != nil {
			g.again = c.now.Add(retryScaling)
			return
		}
	}
}

// notice takes notice of instances that have ended, or do not work any more, and
// says when the first of them was noticed.
func (c *call) notice(g *scalingGroup) time.Time {
	due := c.now
	for _, i := range g.there() {
		noticed := i.ends.Add(c.options.Noticing)
		broken := i.state(c.now).name == "stopped" || i.unplugged && !c.now.Before(i.cut.Add(c.options.Noticing))
		switch {
		case !i.ends.IsZero() && !noticed.After(c.now):
			i.leaving = true
			if noticed.Before(due) {
				due = noticed
			}
		case broken:
			c.discard(g, i, "in response to an EC2 health check indicating it has been terminated or stopped")
		}
	}
	g.instances = slices.DeleteFunc(g.instances, func(i *instance) bool { return i.leaving && !i.held(c.now) })
	return due
}

// discard ends an instance of a group.
func (c *call) discard(g *scalingGroup, i *instance, cause string) activity {
	i.leaving = true
	i.end(c.AWS, c.now, userEnds(c.now))
	return c.note(g, "Terminating EC2 instance: "+i.id, "At "+c.now.UTC().Format(time.RFC3339)+" an instance was taken out of service "+cause+".", "")
}

// grow launches an instance, in the zone that has the fewest.
func (c *call) grow(g *scalingGroup) error {
	const cause = "an instance was started in response to a difference between desired and actual capacity, increasing the capacity."
	count := func(z zone) int {
		return len(slices.DeleteFunc(g.there(), func(i *instance) bool { return i.zone != z }))
	}
	zones := slices.Clone(g.zones)
	slices.SortStableFunc(zones, func(a, b zone) int { return count(a) - count(b) })
	var failed error
	for _, z := range zones {
		i, err := c.growIn(g, z)
		if err == nil {
			g.instances = append(g.instances, i)
			c.note(g, "Launching a new EC2 instance: "+i.id, cause, "")
			return nil
		}
		failed = err
	}
	c.note(g, "Launching a new EC2 instance.  Status Reason: "+failed.Error()+" Launching EC2 instance failed.", cause, failed.Error())
	return failed
}

// growIn launches what a group's template asks for in a zone.
func (c *call) growIn(g *scalingGroup, z zone) (*instance, error) {
	ask, t, n, err := c.region.asked(g.template, fields{})
	if err != nil {
		return nil, err
	}
	if nics := ask.Subs("NetworkInterfaces"); len(nics) > 0 {
		nic := maps.Clone(nics[0])
		nic["SubnetId"] = z.subnet
		ask["NetworkInterfaces"] = []any{nic}
	} else {
		ask["SubnetId"] = z.subnet
	}
	p, err := c.plan(ask)
	if err != nil {
		return nil, err
	}
	passed := []groupTag{{key: "aws:autoscaling:groupName", value: g.name, passed: true}}
	for _, t := range append(passed, g.tags...) {
		if t.passed {
			p.tags = append(p.tags, tagging{at: c.now, key: t.key, value: t.value})
		}
	}
	list, err := c.launch(p, 1, 1)
	if err != nil {
		return nil, err
	}
	list[0].template = fields{"LaunchTemplateId": t.id, "LaunchTemplateName": t.name, "Version": strconv.Itoa(n)}
	return list[0], nil
}

// lifecycle is how an instance is as its group sees it.
func (i *instance) lifecycle(now time.Time) string {
	switch {
	case i.leaving && !i.held(now):
		return "Terminated"
	case i.leaving:
		return "Terminating"
	case i.state(now).name == "pending":
		return "Pending"
	}
	return "InService"
}
