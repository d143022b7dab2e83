// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

var _ serve.Restarter = (*Cloud)(nil)

// Restart gives the agent on the instance of req.Ref another order, and then notes
// the revision in the instance's metadata.
func (c *Cloud) Restart(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	return c.Fleet.Restart(ctx, req, &launch{cloud: c, req: req})
}

// Running gives the instance of the replica; serve.ErrNotFound when there is none
// that runs.
func (l *launch) Running(ctx context.Context) (fleet.Up, error) {
	if err := l.join(ctx); err != nil {
		return fleet.Up{}, err
	}
	found, err := l.existing(ctx, l.refLabels(l.req.Ref))
	for _, i := range found {
		if i.GetStatus() == running && l.hostOf(i) != "" {
			l.zone, l.name = zoneOf(i), i.GetName()
			return l.up(i)
		}
	}
	if err != nil {
		return fleet.Up{}, err
	}
	return fleet.Up{}, fmt.Errorf("it has no instance that runs: %w", serve.ErrNotFound)
}

// Revise has an instance be one of the revision that it runs.
func (l *launch) Revise(ctx context.Context, was serve.Instance) (serve.Instance, error) {
	now := l.req
	now.Offer = was.Offer // what it costs is what it was launched for
	truth, err := detailsOf(now)
	if err != nil {
		return serve.Instance{}, err
	}
	for {
		i, err := l.get(ctx, l.zone, was.ID)
		if err != nil {
			return serve.Instance{}, err
		}
		next := &computepb.Metadata{Fingerprint: i.GetMetadata().Fingerprint, Items: items(map[string]string{itemDetails: truth})}
		for _, it := range i.GetMetadata().GetItems() {
			if it.GetKey() != itemDetails {
				next.Items = append(next.Items, it)
			}
		}
		op, err := l.services.instances.SetMetadata(ctx, &computepb.SetMetadataInstanceRequest{Project: l.project, Zone: l.zone, Instance: was.ID, MetadataResource: next})
		err = l.services.operations.in(l.project).done(ctx, op, err)
		switch {
		case hasCode(err, "conditionNotMet") && turns.Sleep(ctx, fleet.LookPause):
			continue // somebody else has changed it meanwhile
		case err != nil:
			return serve.Instance{}, fmt.Errorf("noting the revision of instance %s: %w", was.ID, meaning(err))
		}
		if i, err = l.get(ctx, l.zone, was.ID); err != nil {
			return serve.Instance{}, err
		}
		up, err := l.joined.up(i)
		return up.Instance, err
	}
}
