// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"cmp"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// States of an instance, in the order in which it has them. One that is gone has none.
const (
	provisioning = "PROVISIONING"
	staging      = "STAGING"
	running      = "RUNNING"
	stopping     = "STOPPING"
	terminated   = "TERMINATED"
	gone         = ""
)

// instance is a machine, or was one. What has happened to it, and what is going to,
// is kept as moments, so that its state at any moment can be told: also at one that is
// past, for those who see changes late.
type instance struct {
	id        uint64
	plan      plan
	private   string
	public    string // an address for as long as it runs, if it has none that is reserved
	launched  time.Time
	started   time.Time // last
	stopped   time.Time // last
	course    []turn
	reason    string // why it is no more, or is not running: an operation's name, or a failure's
	preempted time.Time
	disks     []*disk
	was       bool // whether it ever came to run
	labels    map[string]string
	items     []item // of its metadata
	unplugged bool
	waiting   chan struct{}        // is closed when its metadata change
	ground    machinetest.Ground   // what is on its disk
	machine   *machinetest.Machine // while something runs on it
	console   *machinetest.Console
	then      func(now time.Time) // when its machine has ended
	timer     *time.Timer         // that ends a machine
}

// turn is that an instance comes to have a state.
type turn struct {
	at    time.Time
	state string
}

// item is a pair of metadata.
type item struct{ key, value string }

func (i *instance) path() string { return zonal(i.plan.zone, "instances", i.plan.name) }

// state is how the instance was, or will be, at a moment.
func (i *instance) state(at time.Time) string {
	state := gone
	for _, t := range i.course {
		if !t.at.After(at) {
			state = t.state
		}
	}
	return state
}

// turns has an instance go another way from now on.
func (i *instance) turns(now time.Time, course ...turn) {
	i.course = slices.DeleteFunc(i.course, func(t turn) bool { return t.at.After(now) })
	i.course = append(i.course, course...)
}

// held reports whether the instance is, in whatever state: whether its name is taken,
// and its disks are in use.
func (i *instance) held(at time.Time) bool { return i.state(at) != gone }

// costs reports whether it takes anything of the quotas.
func (i *instance) costs(at time.Time) bool {
	state := i.state(at)
	return state != gone && state != terminated
}

// live reports whether the instance runs, or is to.
func (i *instance) live(at time.Time) bool { return i.costs(at) && i.state(at) != stopping }

// address gives the reserved address that leads to the instance, or nil.
func (g *GCP) addressOf(i *instance) *address {
	return find(g.compute.addresses, func(a *address) bool { return a.instance == i })
}

// reached is the address at which others reach the instance, if there is one.
func (g *GCP) reached(i *instance) string {
	if a := g.addressOf(i); a != nil {
		return a.ip
	}
	return i.public
}

// metadataFingerprint and labelFingerprint change with what they are of.
func (i *instance) metadataFingerprint() string {
	parts := []string{"metadata"}
	for _, m := range i.items {
		parts = append(parts, m.key, m.value)
	}
	return fingerprint(parts...)
}

func (i *instance) labelFingerprint() string {
	parts := []string{"labels"}
	for _, k := range sortedKeys(i.labels) {
		parts = append(parts, k, i.labels[k])
	}
	return fingerprint(parts...)
}

// describe tells of an instance as it was at a moment.
func (c *call) describe(i *instance, at time.Time) fields {
	p := i.plan
	items := []fields{}
	for _, m := range i.items {
		items = append(items, fields{"key": m.key, "value": m.value})
	}
	out := fields{
		"kind": "compute#instance", "id": i.id, "name": p.name, "description": cloudtest.OrNil(p.description), "status": i.state(at),
		"zone": link("projects/" + Project + "/zones/" + p.zone), "machineType": link(zonal(p.zone, "machineTypes", p.kind.name)),
		"cpuPlatform": "Unknown CPU Platform", "creationTimestamp": stamp(i.launched), "selfLink": link(i.path()),
		"lastStartTimestamp": stamp(i.started), "lastStopTimestamp": stamp(i.stopped),
		"canIpForward": p.forwards, "deletionProtection": p.protected, "startRestricted": false,
		"fingerprint": fingerprint("instance", p.name, i.state(at)), "labelFingerprint": i.labelFingerprint(),
		"tags":     fields{"items": orNone(p.tags), "fingerprint": fingerprint(append([]string{"tags"}, p.tags...)...)},
		"metadata": fields{"kind": "compute#metadata", "items": items, "fingerprint": i.metadataFingerprint()},
		"scheduling": fields{
			"onHostMaintenance": p.maintenance, "automaticRestart": p.restarts, "preemptible": p.market == Spot,
			"provisioningModel": p.market, "instanceTerminationAction": cloudtest.OrNil(p.action),
		},
		"networkInterfaces": []fields{c.describeNIC(i)}, "disks": i.describeDisks(),
		"shieldedInstanceConfig":          fields{"enableSecureBoot": p.secureBoot, "enableVtpm": true, "enableIntegrityMonitoring": true},
		"shieldedInstanceIntegrityPolicy": fields{"updateAutoLearnPolicy": true},
	}
	if len(i.labels) > 0 {
		out["labels"] = i.labels
	}
	if p.account != "" {
		out["serviceAccounts"] = []fields{{"email": p.account, "scopes": p.scopes}}
	}
	if i.state(at) == running {
		out["cpuPlatform"] = "Intel Broadwell"
	}
	if gpu, n := p.accelerator(); n > 0 {
		out["guestAccelerators"] = []fields{{"acceleratorType": link(zonal(p.zone, "acceleratorTypes", gpu)), "acceleratorCount": n}}
	}
	if p.notice > 0 {
		scheduling, _ := out["scheduling"].(fields)
		scheduling["preemptionNoticeDuration"] = fields{"seconds": int64(p.notice / time.Second)}
	}
	return out
}

// orNone makes nothing of an empty list, so that it is left out of an answer.
func orNone(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (c *call) describeNIC(i *instance) fields {
	p := i.plan
	out := fields{
		"kind": "compute#networkInterface", "name": "nic0", "network": link(networkPath()), "subnetwork": link(subnetPath(regionOf(p.zone))),
		"networkIP": i.private, "stackType": "IPV4_ONLY", "fingerprint": fingerprint("nic0", p.name, c.reached(i), p.access),
	}
	if p.external {
		out["accessConfigs"] = []fields{{
			"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": cmp.Or(p.access, "external-nat"), "networkTier": "PREMIUM",
			"natIP": cloudtest.OrNil(c.reached(i)),
		}}
	}
	return out
}

func (i *instance) describeDisks() []fields {
	out := []fields{}
	for at, d := range i.disks {
		out = append(out, fields{
			"kind": "compute#attachedDisk", "type": "PERSISTENT", "mode": "READ_WRITE", "source": link(d.path()), "deviceName": i.plan.disks[at].device,
			"index": at, "boot": at == 0, "autoDelete": d.deleted, "interface": "SCSI", "diskSizeGb": d.sizeGB, "architecture": d.image.arch,
			"licenses": []string{link("projects/" + d.image.project + "/global/licenses/" + d.image.family)},
		})
	}
	return out
}
