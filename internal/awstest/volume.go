// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"slices"
	"time"
)

// volume is a disk, which lasts longer than its instance if it is told to.
type volume struct {
	disk

	id, zone string
	made     time.Time
	of       *instance
	dropped  bool // by DeleteVolume
	tags     tags
}

// state is what EC2 calls how the volume is, or nothing when it is no more.
func (v *volume) state(at time.Time) string {
	switch {
	case v.dropped || v.made.After(at):
		return ""
	case v.of.held(at):
		return "in-use"
	case v.deleted:
		return ""
	}
	return "available"
}

func describeVolumes(c *call, in fields) (fields, error) {
	at := c.seen()
	list := slices.DeleteFunc(slices.Clone(c.region.volumes), func(v *volume) bool { return v.state(at) == "" })
	list, err := require(list, in.Texts("VolumeIds"), func(v *volume) string { return v.id }, func(id string) error {
		return refusal(400, "InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
	})
	if err != nil {
		return nil, err
	}
	list, err = pick(list, in.Subs("Filters"), func(v *volume) facets {
		f := facets{
			"volume-id": {v.id}, "availability-zone": {v.zone}, "status": {v.state(at)}, "volume-type": {v.kind},
			"attachment.instance-id": nil, "attachment.device": nil, "attachment.status": nil,
		}
		if v.of.held(at) {
			f["attachment.instance-id"], f["attachment.device"], f["attachment.status"] = []string{v.of.id}, []string{v.device}, []string{"attached"}
		}
		return f.tagged(v.tags.at(at))
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, in, 5, 1000, nil)
	if err != nil {
		return nil, err
	}
	out := []fields{}
	for _, v := range list {
		attachments := []fields{}
		if v.of.held(at) {
			attachments = append(attachments, fields{
				"VolumeId": v.id, "InstanceId": v.of.id, "Device": v.device, "State": "attached", "AttachTime": v.made,
				"DeleteOnTermination": v.deleted,
			})
		}
		out = append(out, fields{
			"VolumeId": v.id, "AvailabilityZone": v.zone, "Size": v.sizeGB, "State": v.state(at), "VolumeType": v.kind,
			"CreateTime": v.made, "Encrypted": false, "SnapshotId": "", "MultiAttachEnabled": false,
			"Attachments": attachments, "Tags": tagList(v.tags.at(at)),
		})
	}
	return fields{"Volumes": out, "NextToken": next}, nil
}

func deleteVolume(c *call, in fields) (fields, error) {
	id := in.Text("VolumeId")
	for _, v := range c.region.volumes {
		switch {
		case v.id != id:
		case v.state(c.now) == "in-use":
			return nil, refusal(400, "VolumeInUse", "Volume %s is currently attached to %s", id, v.of.id)
		case v.state(c.now) == "available":
			v.dropped = true
			return nil, nil
		}
	}
	return nil, refusal(400, "InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
}
