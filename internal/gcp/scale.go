// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// hostTypes are what a controller runs on, by the architecture: it needs half a
// gigabyte of memory, and more CPU time only under load.
func hostTypes(architecture string) string {
	if architecture == "arm64" {
		return "t2a-standard-1"
	}
	return "e2-small"
}

// labelShape tells whether the machine is as it would be made now. Its image is no part
// of that: there is a newer one every other week.
const labelShape = "serve-infra-shape"

// hostName is what the machine is called. There can be none of the name twice in a
// zone, and in another one it is kept from being by its address. It is none that a
// controller may end.
func (e *estate) hostName() string { return "controller-" + e.service }

// makeHost has there be one machine, which is as it should be. It stays in its zone, or
// is made in the first zone of the region that has one.
func (e *estate) makeHost(ctx context.Context, g ground, architecture string) error {
	address, err := e.address(ctx)
	if err != nil {
		return err
	}
	image, err := e.findImage(ctx, map[string]string{"amd64": containers, "arm64": containerArm}[architecture])
	if err != nil {
		return err
	}
	kind := hostTypes(architecture)
	plan, err := e.planHost(g, address, image, kind)
	if err != nil {
		return err
	}
	hosts, err := e.hosts(ctx)
	if err != nil {
		return err
	}
	for _, i := range hosts {
		if alive(i) && i.GetLabels()[labelShape] == plan.GetLabels()[labelShape] {
			return nil
		}
		if err := e.end(ctx, zoneOf(i), i.GetName()); err != nil {
			return err
		}
	}
	var short error
	for _, zone := range e.order() {
		plan.MachineType = new("zones/" + zone + "/machineTypes/" + kind)
		plan.Disks[0].InitializeParams.DiskType = new("zones/" + zone + "/diskTypes/pd-balanced")
		err := e.insertHost(ctx, zone, plan)
		if err == nil || !errors.Is(err, serve.ErrCapacity) {
			return err
		}
		short = errors.Join(short, fmt.Errorf("%s: %w", zone, err))
	}
	return fmt.Errorf("making the machine %s: %w", e.hostName(), short)
}

// order gives the zones of the region, that of the configuration first.
func (e *estate) order() []string {
	zones := slices.Sorted(slices.Values(e.zones))
	if at := slices.Index(zones, e.conf.Zone); at > 0 {
		zones = slices.Insert(slices.Delete(zones, at, at+1), 0, e.conf.Zone)
	}
	return zones
}

// planHost says what the machine is to be like, but for what depends on its zone.
func (e *estate) planHost(g ground, address headquarters.Address, image machineImage, kind string) (*computepb.Instance, error) {
	subnet, ok := g.subnets[e.region]
	if !ok {
		return nil, fmt.Errorf("the network %s has no subnetwork in %s: %w", g.network, e.region, serve.ErrInvalid)
	}
	script, err := bootstrap.HostScript(e.hostOf(), containersDir, ports()...)
	if err != nil {
		return nil, err
	}
	labels := e.labels()
	labels[labelShape] = fleet.Token(script, subnet, address.IP, kind, fmt.Sprint(labels))[:hashed]
	return &computepb.Instance{
		Name: new(e.hostName()), Labels: labels, Tags: &computepb.Tags{Items: []string{e.name()}},
		Description: new("Controller of the serve_service " + e.service + "; managed by terraform-provider-serve"),
		Metadata:    &computepb.Metadata{Items: items(map[string]string{itemScript: script})},
		Disks: []*computepb.AttachedDisk{{
			Boot: new(true), AutoDelete: new(true), InitializeParams: &computepb.AttachedDiskInitializeParams{
				SourceImage: &image.link, DiskSizeGb: new(max(minDisk, image.size)), Labels: e.labels(),
			},
		}},
		NetworkInterfaces: []*computepb.NetworkInterface{{
			Subnetwork: &subnet, AccessConfigs: []*computepb.AccessConfig{{Type: new("ONE_TO_ONE_NAT"), Name: new("External NAT"), NatIP: &address.IP}},
		}},
		Scheduling: &computepb.Scheduling{
			ProvisioningModel: new("STANDARD"), AutomaticRestart: new(true), OnHostMaintenance: new("MIGRATE"),
		},
		ServiceAccounts: []*computepb.ServiceAccount{{Email: new(e.accountEmail()), Scopes: []string{scope}}},
		ShieldedInstanceConfig: &computepb.ShieldedInstanceConfig{
			EnableSecureBoot: new(true), EnableVtpm: new(true), EnableIntegrityMonitoring: new(true),
		},
	}, nil
}

// hostOf is what the machine knows at first.
func (e *estate) hostOf() bootstrap.Host {
	h := bootstrap.Host{Cloud: cloudName, Service: e.service, Region: e.region, Bucket: e.name(), Endpoints: e.conf.Endpoints}
	h.BucketURL = strings.TrimSuffix(e.conf.endpoint("storage", storagePath), "/") + "/b/" + h.Bucket + "/o"
	return h
}

// insertHost makes the machine in a zone.
func (e *estate) insertHost(ctx context.Context, zone string, plan *computepb.Instance) error {
	for began := time.Now(); ; {
		op, err := e.services.instances.Insert(ctx, &computepb.InsertInstanceRequest{
			Project: e.project, Zone: zone, InstanceResource: plan, RequestId: new(requestID()),
		})
		err = e.services.operations.in(e.project).done(ctx, op, err)
		if hasCode(err, "alreadyExists", "RESOURCE_ALREADY_EXISTS") {
			return nil // somebody else was faster
		}
		// A service account that was made just now may not be known to Compute Engine yet.
		if err != nil && strings.Contains(err.Error(), e.accountEmail()) && onceMore(ctx, began, err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("making the machine %s: %w", e.hostName(), meaning(err))
		}
		return nil
	}
}

// hosts gives the instances that the controller runs on, of which there is one at most
// but while it is put elsewhere. They are asked for by their name, as lists may be late.
func (e *estate) hosts(ctx context.Context) ([]*computepb.Instance, error) {
	var mu sync.Mutex
	var all []*computepb.Instance
	err := fleet.Each(e.zones, func(zone string) error {
		i, err := e.get(ctx, zone, e.hostName())
		if errors.Is(err, serve.ErrNotFound) || err == nil && i.GetLabels()[labelController] != e.service {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, i)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the machine %s: %w", e.hostName(), err)
	}
	return all, nil
}

// End implements [headquarters.Estate].
func (e *estate) End(ctx context.Context) error {
	hosts, err := e.hosts(ctx)
	if err != nil {
		return err
	}
	for _, i := range hosts {
		if err := e.end(ctx, zoneOf(i), i.GetName()); err != nil {
			return fmt.Errorf("ending the controller's machine: %w", err)
		}
	}
	return nil
}
