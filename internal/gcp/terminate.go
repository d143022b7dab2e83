// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Terminate ends the instance of a replica with its disk, and returns when it is
// deleted.
func (c *Cloud) Terminate(ctx context.Context, ref serve.Ref) error {
	return c.Fleet.Terminate(ctx, ref, func(ctx context.Context, was serve.Instance) error { return c.terminate(ctx, ref, was) })
}

func (c *Cloud) terminate(ctx context.Context, ref serve.Ref, was serve.Instance) error {
	if c.account.Unused() {
		return nil
	}
	j, err := c.account.Join(ctx)
	if err != nil {
		return err
	}
	found, lost := j.existing(ctx, j.refLabels(ref))
	if _, some := errors.AsType[*unseen](lost); lost != nil && !some {
		return lost
	}
	at := map[string]string{} // zones, by the names there
	for _, i := range found {
		at[zoneOf(i)] = i.GetName()
	}
	if zone := was.Offer.Location.Zone; zone != "" {
		at[zone], lost = was.ID, nil // it may not be listed yet
	}
	for zone, name := range at {
		if err := j.end(ctx, zone, name); err != nil {
			return err
		}
	}
	return lost // where it may be
}

// end deletes an instance, and returns when it is gone.
func (j *joined) end(ctx context.Context, zone, name string) error {
	for {
		op, err := j.services.instances.Delete(ctx, &computepb.DeleteInstanceRequest{Project: j.project, Zone: zone, Instance: name})
		err = j.services.operations.in(j.project).done(ctx, op, err)
		switch {
		case err == nil, errors.Is(meaning(err), serve.ErrNotFound):
			return nil
		case !hasCode(err, "resourceNotReady", "RESOURCE_NOT_READY"):
			return fmt.Errorf("deleting instance %s: %w", name, meaning(err))
		case !turns.Sleep(ctx, fleet.LookPause): // something else is being done to it
			return ctx.Err()
		}
	}
}
