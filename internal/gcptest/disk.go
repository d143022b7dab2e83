// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"slices"
	"time"
)

// disk is a persistent disk, which lasts longer than its instance if it is told to.
type disk struct {
	name, zone, kind string
	id               uint64
	sizeGB           int64
	image            image
	made             time.Time
	labels           map[string]string
	of               *instance
	deleted          bool // with the instance
	dropped          bool // by disks.delete
}

func (d *disk) path() string { return zonal(d.zone, "disks", d.name) }

// there reports whether the disk is.
func (d *disk) there(at time.Time) bool {
	return !d.dropped && !d.made.After(at) && (d.of.held(at) || !d.deleted && d.of.was)
}

func (d *disk) describe(at time.Time) fields {
	out := fields{
		"kind": "compute#disk", "id": d.id, "name": d.name, "sizeGb": d.sizeGB, "status": "READY", "zone": link("projects/" + Project + "/zones/" + d.zone),
		"type": link(zonal(d.zone, "diskTypes", d.kind)), "creationTimestamp": stamp(d.made), "selfLink": link(d.path()),
		"sourceImage": link(d.image.path()), "sourceImageId": idOf("image", d.image.name), "architecture": d.image.arch,
		"labels": d.labels, "labelFingerprint": fingerprint("labels", d.name), "physicalBlockSizeBytes": 4096,
		"lastAttachTimestamp": stamp(d.made), "licenses": []string{link("projects/" + d.image.project + "/global/licenses/" + d.image.family)},
	}
	if d.of.held(at) {
		out["users"] = []string{link(d.of.path())}
	}
	return out
}

// disksIn gives the disks of a zone, or of all.
func (c *call) disksIn(zone string) []*disk {
	return slices.DeleteFunc(slices.Clone(c.compute.disks), func(d *disk) bool { return zone != "" && d.zone != zone || !d.there(c.now) })
}

func (c *call) disk(zone, name string) *disk {
	return find(c.disksIn(zone), func(d *disk) bool { return d.name == name })
}

func listDisks(c *call, _ fields) (fields, error) {
	return listed(c, "compute#diskList", "Disk", c.disksIn(c.param("zone")), func(d *disk) fields { return d.describe(c.now) })
}

func aggregateDisks(c *call, _ fields) (fields, error) {
	return aggregated(c, "compute#diskAggregatedList", "Disk", "disks", c.disksIn(""),
		func(d *disk) string { return d.zone }, func(d *disk) fields { return d.describe(c.now) })
}

func getDisk(c *call, _ fields) (fields, error) {
	zone, name := c.param("zone"), c.param("disk")
	d := c.disk(zone, name)
	if d == nil {
		return nil, notFound(zonal(zone, "disks", name))
	}
	return d.describe(c.now), nil
}

func deleteDisk(c *call, _ fields) (*operation, error) {
	zone, name := c.param("zone"), c.param("disk")
	d := c.disk(zone, name)
	switch {
	case d == nil:
		return nil, notFound(zonal(zone, "disks", name))
	case d.of.held(c.now):
		return nil, refusal(400, "resourceInUseByAnotherResource", "The disk resource '%s' is already being used by '%s'", d.path(), d.of.path())
	}
	d.dropped = true
	return c.begin(d.path(), d.id, c.now), nil
}
