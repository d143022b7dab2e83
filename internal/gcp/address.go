// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// address gives the controller's reserved address; serve.ErrNotFound if it has none.
func (e *estate) address(ctx context.Context) (headquarters.Address, error) {
	a, err := e.services.addresses.Get(ctx, &computepb.GetAddressRequest{Project: e.project, Region: e.region, Address: e.name()})
	if err != nil {
		return headquarters.Address{}, meaning(err)
	}
	return headquarters.Address{ID: a.GetName(), IP: a.GetAddress()}, nil
}

// MakeAddress implements [headquarters.Estate]. There is one by its name, so that what
// was before does not matter.
func (e *estate) MakeAddress(ctx context.Context, _ headquarters.Address) (headquarters.Address, error) {
	a, err := e.address(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		op, failed := e.services.addresses.Insert(ctx, &computepb.InsertAddressRequest{
			Project: e.project, Region: e.region, AddressResource: &computepb.Address{
				Name: new(e.name()), AddressType: new("EXTERNAL"), Labels: e.labels(),
				Description: new("Controller of the serve_service " + e.service + "; managed by terraform-provider-serve"),
			},
		})
		failed = e.services.operations.in(e.project).done(ctx, op, failed)
		switch failed = meaning(failed); {
		case errors.Is(failed, serve.ErrQuota):
			return a, fmt.Errorf("the project may have no more static addresses in %s; release one, or have the quota raised: %w", e.region, failed)
		case failed != nil && !errors.Is(failed, serve.ErrConflict): // somebody else was faster
			return a, fmt.Errorf("reserving an address: %w", failed)
		}
		a, err = e.address(ctx)
	}
	return a, err
}

// KeepAddress implements [headquarters.Estate]. There is no other.
func (*estate) KeepAddress(context.Context, headquarters.Address) error { return nil }

// releaseAddress gives the controller's address back.
func (e *estate) releaseAddress(ctx context.Context) error {
	for {
		op, err := e.services.addresses.Delete(ctx, &computepb.DeleteAddressRequest{Project: e.project, Region: e.region, Address: e.name()})
		err = e.services.operations.in(e.project).done(ctx, op, err)
		if hasCode(err, "resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "resourceNotReady") && turns.Sleep(ctx, fleet.LookPause) {
			continue // the machine that had it is not quite gone
		}
		if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
			return fmt.Errorf("releasing the address %s: %w", e.name(), err)
		}
		return nil
	}
}
