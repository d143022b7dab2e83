// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"maps"
	"slices"
	"time"
)

// books are what is counted.
type books struct {
	calls    map[string]int
	refused  []string
	sessions []Session
}

// Books are what AWS knows, without lag and without limits: what a test holds
// against what it thinks it has.
type Books struct {
	Instances []Instance     // all that ever were, in each region in the order of their launch
	Volumes   []Volume       // that are there
	Groups    []Group        // security groups but the default ones
	Templates []string       // ids of launch templates
	Addresses []Address      // elastic ones
	Scaling   []string       // names of Auto Scaling groups
	Roles     []string       // names of roles, with their policies as "role/policy"
	Profiles  []string       // names of instance profiles
	Buckets   []Bucket       // of S3
	Calls     map[string]int // how often what was asked for, such as ec2:RunInstances, refused or not
	Refused   []string       // requests that depart from AWS' model
	Sessions  []Session      // roles that were taken on
}

// Instance is an entry in the books.
type Instance struct {
	ID          string
	Region      string
	Zone        string
	Type        string
	Market      string // Spot or OnDemand
	State       string // pending, running, shutting-down, terminated or stopped
	Reason      string // such as Server.SpotInstanceTermination, of those that ended
	ClientToken string
	Tags        map[string]string
	PrivateIP   string
	PublicIP    string
	UserData    string
	Launched    time.Time
	Ended       time.Time // zero while it lasts
	Interrupt   time.Time // when it is taken back; zero while it has not been told
	Rebalance   time.Time // when it was recommended to be replaced, or zero
}

// Live reports whether the instance is there or about to be: whether it, or its
// disk, costs anything.
func (i Instance) Live() bool {
	return i.State == "pending" || i.State == "running" || i.State == "stopped"
}

// Volume is an entry in the books.
type Volume struct {
	ID, Region, Zone, State, Instance string
	GiB                               int
	Tags                              map[string]string
}

// Group is an entry in the books.
type Group struct {
	ID, Region, Name string
	Tags             map[string]string
}

// Bucket is an entry in the books.
type Bucket struct {
	Name, Region string
	Objects      []string // keys, each once
	Versions     int      // of all objects, and marks of deletion
	Tags         map[string]string
}

// Address is an entry in the books.
type Address struct {
	ID, Region, IP, Instance string // no instance for one that leads nowhere
	Tags                     map[string]string
}

// Books gives the books as of now.
func (a *AWS) Books() Books {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.scale(now)
	b := Books{Calls: maps.Clone(a.books.calls), Refused: slices.Clone(a.books.refused), Sessions: slices.Clone(a.books.sessions)}
	for _, r := range a.roles {
		b.Roles = append(b.Roles, r.name)
		for _, policy := range sortedKeys(r.policies) {
			b.Roles = append(b.Roles, r.name+"/"+policy)
		}
	}
	for _, p := range a.profiles {
		b.Profiles = append(b.Profiles, p.name)
	}
	for _, from := range a.buckets {
		b.Buckets = append(b.Buckets, from.entry())
	}
	for _, name := range regionNames() {
		r := a.regions[name]
		for _, i := range r.instances {
			b.Instances = append(b.Instances, i.entry(name, now))
		}
		for _, v := range r.volumes {
			if state := v.state(now); state != "" {
				b.Volumes = append(b.Volumes, Volume{
					ID: v.id, Region: name, Zone: v.zone, State: state, Instance: v.of.id, GiB: v.sizeGB, Tags: v.tags.last(),
				})
			}
		}
		for _, g := range r.groups[1:] {
			b.Groups = append(b.Groups, Group{ID: g.id, Region: name, Name: g.name, Tags: g.tags.last()})
		}
		for _, t := range r.templates {
			b.Templates = append(b.Templates, t.id)
		}
		for _, g := range r.scaling {
			b.Scaling = append(b.Scaling, g.name)
		}
		for _, e := range r.addresses {
			entry := Address{ID: e.id, Region: name, IP: e.ip, Tags: e.tags.last()}
			if i := e.leads(now); i != nil {
				entry.Instance = i.id
			}
			b.Addresses = append(b.Addresses, entry)
		}
	}
	return b
}

// Live gives the instances that are there or about to be: for those who look often.
func (a *AWS) Live() []Instance {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.scale(now)
	var all []Instance
	for _, name := range regionNames() {
		for _, i := range a.regions[name].instances {
			if i.live(now) {
				all = append(all, i.entry(name, now))
			}
		}
	}
	return all
}

func (i *instance) entry(region string, now time.Time) Instance {
	e := Instance{
		ID: i.id, Region: region, Zone: i.zone.name, Type: i.plan.kind.name, Market: i.plan.market, State: i.state(now).name,
		ClientToken: i.plan.token, Tags: i.tags.last(), PrivateIP: i.private, PublicIP: i.reached(), UserData: i.plan.userData,
		Launched: i.launched, Interrupt: i.interrupt, Rebalance: i.rebalance,
	}
	if !i.live(now) {
		e.Reason = i.reason.code
	}
	if !i.held(now) {
		e.Ended = i.gone
	}
	return e
}

// Live gives the instances that are there or about to be.
func (b Books) Live() []Instance {
	return slices.DeleteFunc(slices.Clone(b.Instances), func(i Instance) bool { return !i.Live() })
}

// LiveBy gives them by the value of a tag, and under "" those that lack it.
func (b Books) LiveBy(tag string) map[string][]Instance {
	out := map[string][]Instance{}
	for _, i := range b.Live() {
		out[i.Tags[tag]] = append(out[i.Tags[tag]], i)
	}
	return out
}

// Instance gives an entry by its id.
func (b Books) Instance(id string) (Instance, bool) {
	at := slices.IndexFunc(b.Instances, func(i Instance) bool { return i.ID == id })
	if at < 0 {
		return Instance{}, false
	}
	return b.Instances[at], true
}
