// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"cmp"
	"maps"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// How long EC2 still tells of an instance that is gone.
const remembered = time.Hour

// instance is a machine, or was one. What has happened to it, and what is going
// to, is kept as moments, so that its state at any moment can be told: also at
// one that is past, for those who see changes late.
type instance struct {
	id, reservation string
	rank, index     int // in the region, and in its reservation
	plan            plan
	zone            zone
	private, public string
	elastic         string // the elastic address that leads here, in place of public
	launched        time.Time
	running         time.Time // never, for a machine that has not started yet
	ends, gone      time.Time // begins to shut down, and is gone
	stops           time.Time // was stopped, from within
	reason          reason
	tags            tags
	volumes         []*volume
	spot            *spotRequest
	interrupt       time.Time // when it will be interrupted, as it was told
	rebalance       time.Time // when it was told that it might be
	unplugged       bool
	cut             time.Time            // when it was unplugged
	template        fields               // that its Auto Scaling group has launched it from, if one has
	leaving         bool                 // whether its group counts on it no more
	machine         *machinetest.Machine // while something runs on it
	console         *machinetest.Console
	session         Session     // the role that it has taken on last
	timer           *time.Timer // that ends a machine
}

// reason is why an instance is no more.
type reason struct{ code, message, transition string }

// state is what EC2 calls how an instance is, with its number.
type state struct {
	code int
	name string
}

func (s state) fields() fields { return fields{"Code": s.code, "Name": s.name} }

// state is how the instance was, or will be, at a moment.
func (i *instance) state(at time.Time) state {
	reached := func(t time.Time) bool { return !t.IsZero() && !t.After(at) }
	switch {
	case reached(i.gone):
		return state{48, "terminated"}
	case reached(i.ends):
		return state{32, "shutting-down"}
	case reached(i.stops):
		return state{80, "stopped"}
	case reached(i.running):
		return state{16, "running"}
	}
	return state{0, "pending"}
}

// live reports whether the instance still is, or is to come.
func (i *instance) live(at time.Time) bool {
	code := i.state(at).code
	return code == 0 || code == 16 || code == 80
}

// held reports whether the instance still takes its place in a pool, and uses
// its volumes and groups.
func (i *instance) held(at time.Time) bool { return i.state(at).code != 48 }

// reached is the address at which others reach the instance, if there is one.
func (i *instance) reached() string { return cmp.Or(i.elastic, i.public) }

// visible reports whether those who describe instances are told of it.
func (i *instance) visible(c *call) bool {
	at := c.seen()
	return !i.launched.After(at) && (i.gone.IsZero() || at.Sub(i.gone) < remembered)
}

// end has the instance shut down from ends on, which takes as long as it takes.
// An end that is already nearer is left as it is.
func (i *instance) end(a *AWS, ends time.Time, why reason) {
	if !i.ends.IsZero() && !ends.Before(i.ends) {
		return
	}
	i.unplanned()
	i.ends, i.reason = ends, why
	switch {
	case !a.options.Machines:
		i.gone = ends.Add(a.options.Stopping)
		return
	case i.machine == nil:
		i.gone = ends // it was stopped
		return
	}
	wait := time.Until(ends)
	if wait <= 0 {
		i.halt(a)
		return
	}
	i.timer = time.AfterFunc(wait, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		i.halt(a)
	})
}

// halt stops the machine of an instance, which tells when it has ended.
func (i *instance) halt(a *AWS) {
	if i.machine != nil {
		i.machine.Stop(a.options.Stopping)
	}
}

// unplanned takes back an end that has not come yet.
func (i *instance) unplanned() {
	if i.timer != nil {
		i.timer.Stop()
		i.timer = nil
	}
}

// userEnds is the reason of whoever terminates an instance.
func userEnds(now time.Time) reason {
	return reason{
		"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown",
		"User initiated (" + now.UTC().Format("2006-01-02 15:04:05 GMT") + ")",
	}
}

// selfEnds is the reason of an instance that shuts itself down.
func selfEnds() reason {
	return reason{
		"Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown", "",
	}
}

// spotEnds is the reason of EC2 when it wants a machine back.
func spotEnds() reason {
	return reason{
		"Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination", "Server.SpotInstanceTermination",
	}
}

// failedEnds is the reason of a machine that broke.
func failedEnds() reason {
	return reason{"Server.InternalError", "Server.InternalError: Internal error on launch", "Server.InternalError"}
}

// describe tells of an instance as it was at a moment.
func (i *instance) describe(r *region, at time.Time) fields {
	s := i.state(at)
	endpoint := "enabled"
	if i.plan.mute {
		endpoint = "disabled"
	}
	out := fields{
		"InstanceId": i.id, "ImageId": i.plan.image.id, "InstanceType": i.plan.kind.name, "State": s.fields(),
		"LaunchTime": i.launched, "AmiLaunchIndex": i.index, "ClientToken": cloudtest.OrNil(i.plan.token),
		"Architecture": i.plan.kind.arch, "Hypervisor": "xen", "VirtualizationType": "hvm", "EnaSupport": true,
		"EbsOptimized": false, "RootDeviceName": i.plan.image.device, "RootDeviceType": "ebs",
		"Placement":  fields{"AvailabilityZone": i.zone.name, "GroupName": "", "Tenancy": "default"},
		"Monitoring": fields{"State": "disabled"},
		"CpuOptions": fields{"CoreCount": i.plan.kind.cores, "ThreadsPerCore": i.plan.kind.threads},
		"MetadataOptions": fields{
			"State": "applied", "HttpTokens": i.plan.tokens, "HttpPutResponseHopLimit": i.plan.hops, "HttpEndpoint": endpoint,
			"HttpProtocolIpv6": "disabled", "InstanceMetadataTags": i.plan.metadataTags,
		},
		"StateTransitionReason": "", "Tags": tagList(i.tags.at(at)),
	}
	if p := i.plan.profile; p != nil {
		out["IamInstanceProfile"] = fields{"Arn": p.arn(), "Id": p.id}
	}
	if i.spot != nil {
		out["InstanceLifecycle"], out["SpotInstanceRequestId"] = "spot", i.spot.id
	}
	if s.code == 32 || s.code == 48 {
		out["StateReason"] = fields{"Code": i.reason.code, "Message": i.reason.message}
		out["StateTransitionReason"] = i.reason.transition
	}
	if s.code == 48 {
		return out // its network and its disks are no longer its own
	}
	maps.Copy(out, i.attached(r))
	return out
}

// attached tells of what an instance has as long as it lasts.
func (i *instance) attached(r *region) fields {
	groups := r.identify(i.plan.groups)
	var public any
	if i.reached() != "" {
		public = fields{"PublicIp": i.reached(), "IpOwnerId": "amazon"}
	}
	devices := []fields{}
	for _, v := range i.volumes {
		devices = append(devices, fields{"DeviceName": v.device, "Ebs": fields{
			"VolumeId": v.id, "Status": "attached", "DeleteOnTermination": v.deleted, "AttachTime": i.launched,
		}})
	}
	return fields{
		"VpcId": r.vpc, "SubnetId": i.zone.subnet, "PrivateIpAddress": i.private, "PublicIpAddress": cloudtest.OrNil(i.reached()),
		"SecurityGroups": groups, "SourceDestCheck": true, "BlockDeviceMappings": devices,
		"NetworkInterfaces": []fields{{
			"NetworkInterfaceId": "eni-" + i.id[2:], "VpcId": r.vpc, "SubnetId": i.zone.subnet, "OwnerId": Account,
			"PrivateIpAddress": i.private, "Association": public, "Groups": groups, "Status": "in-use", "InterfaceType": "interface",
			"Attachment": fields{
				"AttachmentId": "eni-attach-" + i.id[2:], "DeviceIndex": 0, "Status": "attached", "DeleteOnTermination": true,
				"AttachTime": i.launched,
			},
		}},
	}
}

// facets is what DescribeInstances filters by.
func (i *instance) facets(r *region, at time.Time) facets {
	f := facets{
		"instance-id": {i.id}, "instance-type": {i.plan.kind.name}, "image-id": {i.plan.image.id}, "client-token": {i.plan.token},
		"instance-state-name": {i.state(at).name}, "availability-zone": {i.zone.name}, "reservation-id": {i.reservation},
		"architecture": {i.plan.kind.arch}, "owner-id": {Account}, "instance-lifecycle": nil, "spot-instance-request-id": nil,
		"vpc-id": nil, "subnet-id": nil, "private-ip-address": nil, "ip-address": nil, "instance.group-id": nil,
		"network-interface.group-id": nil, "state-reason-code": nil,
	}
	if i.spot != nil {
		f["instance-lifecycle"], f["spot-instance-request-id"] = []string{"spot"}, []string{i.spot.id}
	}
	if i.held(at) {
		f["vpc-id"], f["subnet-id"] = []string{r.vpc}, []string{i.zone.subnet}
		f["private-ip-address"], f["ip-address"] = []string{i.private}, []string{i.reached()}
		f["instance.group-id"], f["network-interface.group-id"] = i.plan.groups, i.plan.groups
	}
	if !i.live(at) {
		f["state-reason-code"] = []string{i.reason.code}
	}
	return f.tagged(i.tags.at(at))
}
