// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"maps"
	"slices"
	"time"
)

// books are what is counted.
type books struct {
	calls   map[string]int
	refused []string
	asked   map[string]map[string]bool // permissions, by who needed them
}

func (b *books) ask(by, permission string) {
	if b.asked[by] == nil {
		b.asked[by] = map[string]bool{}
	}
	b.asked[by][permission] = true
}

// Books are what Google Cloud knows, without lag and without limits: what a test holds
// against what it thinks it has.
type Books struct {
	Instances  []Instance          // all that ever were, in the order in which they were made
	Disks      []Disk              // that are there
	Firewalls  []string            // names of rules but those that there are at first
	Addresses  []Address           // that are reserved
	Operations []Operation         // all, in the order in which they began
	Buckets    map[string][]string // the names of what is in each
	Accounts   []string            // service accounts but those of the owner, and the one there is at first
	Roles      []string            // of the project's own, but those that were deleted
	Granted    []string            // who was given which role, and on what
	Calls      map[string]int      // how often what was asked for, such as compute.instances.insert, refused or not
	Refused    []string            // requests that depart from Google's model
	Asked      map[string][]string // the permissions that somebody has needed, granted or not, by who it was
}

// Instance is an entry in the books.
type Instance struct {
	Name      string
	ID        uint64
	Zone      string
	Type      string
	Market    string // Spot or Standard
	State     string // PROVISIONING, STAGING, RUNNING, STOPPING or TERMINATED; empty when it is gone
	Reason    string // an operation such as compute.instances.preempted, or a failure such as QUOTA_EXCEEDED, of those that ended
	Labels    map[string]string
	Metadata  map[string]string
	Tags      []string
	Account   string // its service account
	GPU       string
	GPUs      int
	PrivateIP string
	PublicIP  string
	Launched  time.Time
	Ended     time.Time // zero while it lasts
	Preempted time.Time // when it was told that it is taken back
}

// Live reports whether the instance is there or about to be: whether it, or its disk,
// costs anything.
func (i Instance) Live() bool { return i.State != gone && i.State != stopping }

// Disk is an entry in the books.
type Disk struct {
	Name, Zone, Instance string // no instance for one that was left
	GB                   int64
	Labels               map[string]string
}

// Address is an entry in the books.
type Address struct {
	Name, Region, IP, Instance string // no instance for one that leads nowhere
	Labels                     map[string]string
}

// Operation is an entry in the books.
type Operation struct {
	Kind, Target, By string
	Done             bool
	Failure          string // such as ZONE_RESOURCE_POOL_EXHAUSTED
}

// Books gives the books as of now.
func (g *GCP) Books() Books {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	b := Books{Calls: maps.Clone(g.books.calls), Refused: slices.Clone(g.books.refused)}
	for _, i := range g.compute.instances {
		b.Instances = append(b.Instances, g.entry(i, now))
	}
	for _, d := range g.compute.disks {
		if d.there(now) {
			entry := Disk{Name: d.name, Zone: d.zone, GB: d.sizeGB, Labels: d.labels}
			if d.of.held(now) {
				entry.Instance = d.of.plan.name
			}
			b.Disks = append(b.Disks, entry)
		}
	}
	for _, f := range g.compute.firewalls {
		if !f.original() {
			b.Firewalls = append(b.Firewalls, f.name)
		}
	}
	for _, a := range g.compute.addresses {
		entry := Address{Name: a.name, Region: a.region, IP: a.ip, Labels: a.labels}
		if i := a.leads(now); i != nil {
			entry.Instance = i.plan.name
		}
		b.Addresses = append(b.Addresses, entry)
	}
	g.tellIdentities(&b)
	for _, o := range g.compute.operations {
		if o.began.After(now) {
			continue
		}
		entry := Operation{Kind: o.kind, Target: o.target, By: o.by, Done: o.done(now)}
		if o.failure != nil && entry.Done {
			entry.Failure = o.failure.code
		}
		b.Operations = append(b.Operations, entry)
	}
	return b
}

// tellIdentities tells of what is not Compute Engine's.
func (g *GCP) tellIdentities(b *Books) {
	b.Asked = map[string][]string{}
	for by, permissions := range g.books.asked {
		b.Asked[by] = sortedKeys(permissions)
	}
	b.Buckets, b.Granted = map[string][]string{}, g.granted()
	for name, in := range g.storage.buckets {
		b.Buckets[name] = sortedKeys(in.objects)
	}
	for _, address := range sortedKeys(g.accounts) {
		if !g.accounts[address].owner && address != defaultAccount {
			b.Accounts = append(b.Accounts, address)
		}
	}
	for _, name := range sortedKeys(g.roles) {
		if !g.roles[name].deleted {
			b.Roles = append(b.Roles, name)
		}
	}
}

// Live gives the instances that are there or about to be: for those who look often.
func (g *GCP) Live() []Instance {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	var all []Instance
	for _, i := range g.compute.instances {
		if state := i.state(now); state != gone && state != stopping {
			all = append(all, g.entry(i, now))
		}
	}
	return all
}

func (g *GCP) entry(i *instance, now time.Time) Instance {
	p := i.plan
	e := Instance{
		Name: p.name, ID: i.id, Zone: p.zone, Type: p.kind.name, Market: p.market, State: i.state(now), Labels: maps.Clone(i.labels),
		Metadata: map[string]string{}, Tags: p.tags, Account: p.account, PrivateIP: i.private, PublicIP: g.reached(i), Launched: i.launched,
		Preempted: i.preempted,
	}
	e.GPU, e.GPUs = p.accelerator()
	for _, m := range i.items {
		e.Metadata[m.key] = m.value
	}
	if !i.live(now) {
		e.Reason = i.reason
	}
	if !i.held(now) {
		e.Ended = i.course[len(i.course)-1].at
	}
	return e
}

// Live gives the instances that are there or about to be.
func (b Books) Live() []Instance {
	return slices.DeleteFunc(slices.Clone(b.Instances), func(i Instance) bool { return !i.Live() })
}

// LiveBy gives them by the value of a label, and under "" those that lack it.
func (b Books) LiveBy(label string) map[string][]Instance {
	out := map[string][]Instance{}
	for _, i := range b.Live() {
		out[i.Labels[label]] = append(out[i.Labels[label]], i)
	}
	return out
}

// Instance gives the last entry of a name.
func (b Books) Instance(name string) (Instance, bool) {
	for _, i := range slices.Backward(b.Instances) {
		if i.Name == name {
			return i, true
		}
	}
	return Instance{}, false
}
