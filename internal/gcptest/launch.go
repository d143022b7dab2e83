// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// Pool is where instances come from.
type Pool = cloudtest.Pool

// quotaExceeded says, as an operation does, that there is no quota for what was asked.
func quotaExceeded(metric string, limit float64, region string) *failure {
	return &failure{"QUOTA_EXCEEDED", fmt.Sprintf("Quota '%s' exceeded.  Limit: %.1f in region %s.", metric, limit, region), http.StatusForbidden}
}

// exhausted says, as an operation does, that a zone has nothing left. Which of its two
// ways Compute Engine says it in cannot be known before.
func (c *call) exhausted(p plan) *failure {
	where := "projects/" + Project + "/zones/" + p.zone
	if c.random.IntN(2) == 0 {
		return &failure{"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", fmt.Sprintf("The zone '%s' does not have enough resources available to fulfill "+
			"the request. '(resource type:compute)'.", where), http.StatusServiceUnavailable}
	}
	return &failure{"ZONE_RESOURCE_POOL_EXHAUSTED", fmt.Sprintf("The zone '%s' does not have enough resources available to fulfill the request.  "+
		"Try a different zone, or try again later.", where), http.StatusServiceUnavailable}
}

// room is how many more instances of a plan its zone has.
func (c *call) room(p plan) int {
	return c.compute.limits.Room(p.zone, p.kind.name, p.market, func(pool Pool) int {
		n := 0
		for _, i := range c.compute.instances {
			if i.costs(c.now) && pool.Holds(i.plan.zone, i.plan.kind.name, i.plan.market) {
				n++
			}
		}
		return n
	})
}

// insertInstance makes an instance. What there is not enough of is noticed by the
// operation, when the name is taken already.
func insertInstance(c *call, in fields) (*operation, error) {
	if c.instance(c.param("zone"), in.Text("name")) != nil {
		return nil, exists(zonal(c.param("zone"), "instances", in.Text("name")))
	}
	p, err := c.plan(in)
	if err != nil {
		return nil, err
	}
	why := c.overQuota(p)
	if why == nil && c.room(p) < 1 {
		why = c.exhausted(p)
	}
	i := &instance{id: c.id(), plan: p, launched: c.now, labels: p.labels, items: p.items, waiting: make(chan struct{})}
	i.private, i.public = c.host(regionOf(p.zone))
	if !p.external {
		i.public = ""
	}
	c.compute.instances = append(c.compute.instances, i)
	ends := c.now.Add(c.options.Pending)
	if why != nil {
		i.reason = why.code
		i.turns(c.now, turn{c.now, provisioning}, turn{ends, gone})
		o := c.begin(i.path(), i.id, ends)
		o.failure = why
		return o, nil
	}
	i.was = true
	for _, d := range p.disks {
		made := &disk{
			name: d.name, zone: p.zone, kind: d.kind, id: c.id(), sizeGB: d.sizeGB, image: d.image, made: c.now, labels: d.labels, of: i, deleted: d.deleted,
		}
		i.disks = append(i.disks, made)
		c.compute.disks = append(c.compute.disks, made)
	}
	if a, err := c.claimed(regionOf(p.zone), p.reserved, i); err == nil {
		a.instance = i
	}
	c.boot(i, c.now)
	return c.begin(i.path(), i.id, ends), nil
}

// instance finds one by its name, or by its number.
func (c *call) instance(zone, name string) *instance {
	return find(c.compute.instances, func(i *instance) bool {
		return i.plan.zone == zone && (i.plan.name == name || fmt.Sprint(i.id) == name) && i.held(c.now)
	})
}

// instanceNamed finds the instance that a call is about.
func (c *call) instanceNamed() (*instance, error) {
	zone, name := c.param("zone"), c.param("instance")
	i := c.instance(zone, name)
	if i == nil {
		return nil, notFound(zonal(zone, "instances", name))
	}
	return i, nil
}

func getInstance(c *call, _ fields) (fields, error) {
	i, err := c.instanceNamed()
	if err != nil {
		return nil, err
	}
	return c.describe(i, c.now), nil
}

// seen gives the instances of a zone, or of all, that lists have.
func (c *call) seen(zone string) []*instance {
	at := c.now.Add(-c.faults.Behind)
	return slices.DeleteFunc(slices.Clone(c.compute.instances), func(i *instance) bool { return zone != "" && i.plan.zone != zone || !i.held(at) })
}

func (c *call) describeSeen(i *instance) fields { return c.describe(i, c.now.Add(-c.faults.Behind)) }

func listInstances(c *call, _ fields) (fields, error) {
	return listed(c, "compute#instanceList", "Instance", c.seen(c.param("zone")), c.describeSeen)
}

func aggregateInstances(c *call, _ fields) (fields, error) {
	return aggregated(c, "compute#instanceAggregatedList", "Instance", "instances", c.seen(""),
		func(i *instance) string { return i.plan.zone }, c.describeSeen)
}
