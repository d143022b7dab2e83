// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// Pool is where instances come from.
type Pool = cloudtest.Pool

// Classes of types, each with a quota of its own.
const (
	ClassStandard = "standard" // A, C, D, H, I, M, R, T and Z
	ClassG        = "g"        // G and VT
	ClassP        = "p"
)

// The quota of vCPUs that an account has when nothing else is said: as much as
// an account that has used EC2 for long.
const defaultQuota = 10000

func (r *region) quota(class, market string) int {
	if q, ok := r.quotas[class+" "+market]; ok {
		return q
	}
	return defaultQuota
}

// used is how many vCPUs of a quota are taken.
func (r *region) used(class, market string, now time.Time) int {
	n := 0
	for _, i := range r.instances {
		if i.live(now) && i.plan.market == market && i.plan.kind.class() == class {
			n += i.plan.kind.vcpus()
		}
	}
	return n
}

// room is how many more instances a pool has.
func (r *region) room(zone, kind, market string, now time.Time) int {
	return r.limits.Room(zone, kind, market, func(p Pool) int {
		n := 0
		for _, i := range r.instances {
			if i.held(now) && p.Holds(i.zone.name, i.plan.kind.name, i.plan.market) {
				n++
			}
		}
		return n
	})
}

// launch makes instances of a plan: as many as there is room for, but at least
// as many as are needed, or none.
func (c *call) launch(p plan, least, most int) ([]*instance, error) {
	r := c.region
	class := p.kind.class()
	free := (r.quota(class, p.market) - r.used(class, p.market, c.now)) / p.kind.vcpus()
	if free < least {
		return nil, overQuota(p, r.quota(class, p.market))
	}
	z, n, err := c.site(p, least)
	if err != nil {
		return nil, err
	}
	out := make([]*instance, 0, least)
	reservation := c.id("r")
	for index := range min(n, most, free) {
		out = append(out, c.create(p, z, reservation, index))
	}
	return out, nil
}

func overQuota(p plan, quota int) error {
	if p.market == Spot {
		return SpotQuota()
	}
	return refusal(400, "VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of %d allows "+
		"for the instance bucket that the specified instance type belongs to. "+
		"Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.", quota)
}

// site finds a zone for a plan, and how many instances there is room for.
func (c *call) site(p plan, least int) (zone, int, error) {
	r := c.region
	var why error
	for _, z := range p.zones {
		if current := r.spotNow(z.name, p.kind.name, c.now); p.market == Spot && p.maxPrice > 0 && p.maxPrice < current {
			why = refusal(400, "SpotMaxPriceTooLow",
				"Your Spot request price of %v is lower than the minimum required Spot request fulfillment price of %v.", p.maxPrice, current)
			continue
		}
		n := r.room(z.name, p.kind.name, p.market, c.now)
		if n >= least {
			return z, n, nil
		}
		why = c.exhausted(p, z)
	}
	return zone{}, 0, why
}

// exhausted says, as EC2 does, that there is nothing left.
func (c *call) exhausted(p plan, z zone) error {
	if p.market == Spot {
		return refusal(500, "InsufficientInstanceCapacity", "There is no Spot capacity available that matches your request.")
	}
	return refusal(500, "InsufficientInstanceCapacity", "We currently do not have sufficient %s capacity in the Availability Zone "+
		"you requested (%s). Our system will be working on provisioning additional capacity.", p.kind.name, z.name)
}

func (c *call) create(p plan, z zone, reservation string, index int) *instance {
	r := c.region
	i := &instance{
		id: c.id("i"), reservation: reservation, rank: len(r.instances), index: index, plan: p, zone: z,
		launched: c.now, running: c.now.Add(c.options.Pending), tags: p.tags,
	}
	i.private, i.public = r.address(z)
	if !p.public {
		i.public = ""
	}
	for _, d := range p.disks {
		v := &volume{id: c.id("vol"), disk: d, zone: z.name, made: c.now, of: i, tags: p.volumeTags}
		i.volumes = append(i.volumes, v)
		r.volumes = append(r.volumes, v)
	}
	if p.market == Spot {
		i.spot = &spotRequest{id: c.id("sir"), made: c.now, instance: i, tags: p.spotTags}
		r.spots = append(r.spots, i.spot)
	}
	r.instances = append(r.instances, i)
	if c.options.Machines {
		c.start(r, i)
	}
	return i
}
