// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// generations bounds how often somebody waits for the name of an instance.
const generations = 100

// containersDir is where on Google's system for containers there can be programs:
// nearly all else can be written only once, or holds nothing that can be run.
const containersDir = "/var/lib/google/serve"

// Launch makes the instance of req.Ref and returns when its program is being
// started. An instance that is there is taken up where its launch was broken off.
// When Launch fails it leaves nothing behind.
func (c *Cloud) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	return c.Fleet.Launch(ctx, req, &launch{cloud: c, req: req})
}

// launch is one launch under way.
type launch struct {
	cloud *Cloud
	*site
	req serve.LaunchRequest
	// asked is what Compute Engine was asked for and has not clearly answered; zone and
	// name are where there is an instance of the replica.
	asked      *computepb.InsertInstanceRequest
	zone, name string
}

// Make finds the instance of the replica, or has Compute Engine make it.
func (l *launch) Make(ctx context.Context) (fleet.Up, error) {
	if err := l.check(); err != nil {
		return fleet.Up{}, err
	}
	if err := l.join(ctx); err != nil {
		return fleet.Up{}, err
	}
	i, err := l.have(ctx)
	if err != nil {
		return fleet.Up{}, err
	}
	for i.GetStatus() != running || l.hostOf(i) == "" {
		// An operation is waited for by Google; only what somebody else has begun has to
		// be looked at again.
		if !turns.Sleep(ctx, fleet.LookPause) {
			return fleet.Up{}, ctx.Err()
		}
		i, err = l.get(ctx, l.zone, l.name)
		if errors.Is(err, serve.ErrNotFound) || err == nil && !alive(i) {
			err = l.ended(ctx)
		}
		if err != nil {
			return fleet.Up{}, err
		}
	}
	return l.up(i)
}

// join connects, if nobody has yet.
func (l *launch) join(ctx context.Context) (err error) {
	l.site, err = l.cloud.account.In(ctx, l.req.Offer.Location.Region)
	return err
}

// check refuses what is asked for where it can never be had.
func (l *launch) check() error {
	at := l.req.Offer.Location
	if at.Cloud != cloudName || at.Region == "" || at.Zone == "" || l.req.Offer.InstanceType == "" {
		return fmt.Errorf("%w: %s is not a zone of Google Cloud", serve.ErrInvalid, at)
	}
	return nil
}

// have gives the instance of the replica, wherever it is, or makes it. Lists may be late:
// whether it is there is asked for by its name.
func (l *launch) have(ctx context.Context) (*computepb.Instance, error) {
	found, err := l.existing(ctx, l.refLabels(l.req.Ref))
	if _, some := errors.AsType[*unseen](err); err != nil && !some {
		return nil, err
	}
	// In a zone that is lost there is none: that it is there would have been noted with
	// the offer, which is the one that is launched again.
	for _, listed := range found {
		zone, name := zoneOf(listed), listed.GetName()
		i, err := l.get(ctx, zone, name)
		switch {
		case errors.Is(err, serve.ErrNotFound):
			continue
		case err != nil:
			return nil, err
		case alive(i):
			l.zone, l.name = zone, name
			return i, nil
		}
		// It is on its way out, and its name with it.
		if err := l.end(ctx, zone, name); err != nil {
			return nil, err
		}
	}
	return l.make(ctx)
}

// make has Compute Engine make the instance. Its name is taken while one is there that
// somebody else has made just now, or that is being deleted.
func (l *launch) make(ctx context.Context) (*computepb.Instance, error) {
	zone := l.req.Offer.Location.Zone
	plan, err := l.plan(ctx, zone)
	if err != nil {
		return nil, err
	}
	if err := l.where.Settle(l.region); err != nil {
		return nil, err
	}
	for range generations {
		id := requestID()
		l.asked = &computepb.InsertInstanceRequest{Project: l.project, Zone: zone, InstanceResource: plan, RequestId: &id}
		err := l.insert(ctx, l.asked)
		taken := hasCode(err, "alreadyExists", "RESOURCE_ALREADY_EXISTS")
		if err != nil && !taken {
			return nil, err
		}
		l.zone, l.name = zone, plan.GetName()
		i, err := l.get(ctx, l.zone, l.name)
		switch gone := errors.Is(err, serve.ErrNotFound); {
		case err != nil && !gone:
			return nil, err
		case !gone && alive(i):
			return i, nil
		case !taken:
			return nil, l.ended(ctx) // as soon as it was made
		case gone:
			continue
		}
		if err := l.end(ctx, zone, plan.GetName()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the name of the instance was taken %d times", generations)
}

// insert has Compute Engine make an instance until it is clear what came of it. The
// same request again is answered with the same operation.
func (l *launch) insert(ctx context.Context, in *computepb.InsertInstanceRequest) error {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		op, err := l.services.instances.Insert(ctx, in)
		err = l.services.operations.in(l.project).done(ctx, op, err)
		if err == nil || !unclear(err) {
			l.asked = nil
			return meaning(err)
		}
		l.cloud.log.WarnContext(ctx, "Compute Engine has not clearly answered to a launch; asking again", "replica", l.req.Ref.Replica, "error", err)
		if !turns.Sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// plan says what the instance is to be like.
func (l *launch) plan(ctx context.Context, zone string) (*computepb.Instance, error) {
	machine, err := l.typeFor(ctx, l.req.Offer)
	if err != nil {
		return nil, err
	}
	image, err := l.image(ctx, l.req.Resource, machine)
	if err != nil {
		return nil, err
	}
	g, err := l.ground(ctx)
	if err != nil {
		return nil, err
	}
	subnet, ok := g.subnets[l.region]
	if !ok {
		return nil, fmt.Errorf("%w: the network %s has no subnetwork in %s", serve.ErrCapacity, g.network, l.region)
	}
	if err := l.open(ctx, g, l.req.Ref.Service); err != nil {
		return nil, err
	}
	script, err := l.script(machine, image)
	if err != nil {
		return nil, err
	}
	labels := l.replicaLabels(l.req)
	disk, err := image.disk(l.req.Resource, machine, zone, labels)
	if err != nil {
		return nil, err
	}
	truth, err := detailsOf(l.req)
	if err != nil {
		return nil, err
	}
	in := &computepb.Instance{
		Name: new(l.instanceName(l.req.Ref)), MachineType: new("zones/" + zone + "/machineTypes/" + launchedAs(machine.Name)),
		Description: new("A replica of the serve_service " + l.req.Ref.Service + "; managed by terraform-provider-serve"),
		Labels:      labels, Tags: &computepb.Tags{Items: []string{l.networkTag(l.req.Ref.Service)}},
		Metadata:          &computepb.Metadata{Items: items(map[string]string{itemScript: script, itemDetails: truth})},
		Disks:             []*computepb.AttachedDisk{disk},
		NetworkInterfaces: []*computepb.NetworkInterface{{Subnetwork: &subnet}},
		Scheduling:        schedule(l.req.Offer.Market, machine),
	}
	if !l.conf.Private {
		in.NetworkInterfaces[0].AccessConfigs = []*computepb.AccessConfig{{Type: new("ONE_TO_ONE_NAT"), Name: new("External NAT")}}
	}
	if g, count, ok := attaches(machine); ok {
		in.GuestAccelerators = []*computepb.AcceleratorConfig{{
			AcceleratorType: new("zones/" + zone + "/acceleratorTypes/" + g.kind), AcceleratorCount: &count,
		}}
	}
	if machine.Accelerators != "" {
		in.Metadata.Items = append(in.Metadata.Items, items(map[string]string{itemDriver: "True"})...)
	}
	if in.Scheduling.PreemptionNoticeDuration != nil {
		in.Metadata.Items = append(in.Metadata.Items, items(map[string]string{agent.GCENotice: strconv.Itoa(notice)})...)
	}
	return in, nil
}

// notice is how many seconds before a spot instance is shut down it is told so, which is
// the only choice there is beside none.
const notice = 120

// schedule says how an instance ends: one that Google needs back is told so as early as
// can be, and deleted, and none is started again by anybody but us.
func schedule(market serve.Market, t fleet.Type) *computepb.Scheduling {
	s := &computepb.Scheduling{ProvisioningModel: new("STANDARD"), AutomaticRestart: new(false)}
	if market == serve.Spot {
		s.ProvisioningModel, s.InstanceTerminationAction = new("SPOT"), new("DELETE")
		s.PreemptionNoticeDuration = &computepb.Duration{Seconds: new(int64(notice))}
	}
	if market == serve.Spot || t.Accelerators != "" {
		s.OnHostMaintenance = new("TERMINATE") // as nobody can move such machines
	}
	return s
}

// items gives metadata in a fixed order.
func items(of map[string]string) []*computepb.Items {
	var all []*computepb.Items
	for key, value := range of {
		all = append(all, &computepb.Items{Key: &key, Value: &value})
	}
	slices.SortFunc(all, func(a, b *computepb.Items) int {
		if a.GetKey() < b.GetKey() {
			return -1
		}
		return 1
	})
	return all
}

// script is what the instance runs at its birth, and whenever it starts. It is always
// the same for the same replica and program.
func (l *launch) script(machine fleet.Type, image machineImage) (string, error) {
	birth, err := l.cloud.Birth(cloudName, l.req.Ref, machine.Architecture)
	if err != nil {
		return "", err
	}
	if image.containers {
		birth.Dir, birth.Open = containersDir, true
	}
	return bootstrap.StartupScript(birth)
}

// Fallen gives why the instance has ended.
func (l *launch) Fallen(ctx context.Context) error {
	i, err := l.get(ctx, l.zone, l.name)
	if errors.Is(err, serve.ErrNotFound) || err == nil && !alive(i) {
		return l.ended(ctx)
	}
	return nil // it is there, or nothing is known of it
}

// ended is the error of an instance that has ended while it was being launched.
func (l *launch) ended(ctx context.Context) error {
	cause := l.cause(ctx, l.zone, l.name)
	if cause.means != nil {
		return fmt.Errorf("instance %s ended while it was being launched: %s: %w", l.name, cause.why, cause.means)
	}
	return fmt.Errorf("instance %s ended while it was being launched: %s", l.name, cause.why)
}

// Clear takes away what a failed launch has made. Of a call that has not been
// answered it asks again, as there is no other way to know: that gives the
// instance if there is one, and at worst makes it to be ended at once.
func (l *launch) Clear(ctx context.Context) error {
	if l.asked != nil {
		asked := l.asked
		err := l.insert(ctx, asked)
		if l.asked != nil {
			return err
		}
		l.zone, l.name = asked.GetZone(), asked.GetInstanceResource().GetName()
	}
	if l.zone == "" {
		return nil
	}
	return l.end(ctx, l.zone, l.name)
}
