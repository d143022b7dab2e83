// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Cloud implements [headquarters.Estate].
func (e *estate) Cloud(noted *string) (serve.Cloud, error) {
	where, err := headquarters.Whereabouts(noted, e.o.Config) // those who destroy have a way of their own
	if err != nil {
		return nil, err
	}
	if !slices.Contains(where.Regions, e.region) {
		where.Regions = append(where.Regions, e.region) // where nothing is lost by looking
	}
	o := e.scouting()
	o.Known, o.Scope = where.String(), headquarters.Scope(e.region)
	return NewCloud(o), nil
}

// Remove implements [headquarters.Estate].
func (e *estate) Remove(ctx context.Context) error {
	for _, step := range []func(context.Context) error{e.releaseAddress, e.removeGate, e.removeRole, e.removeBucket} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Left implements [headquarters.Estate].
func (e *estate) Left(ctx context.Context) (bool, error) {
	hosts, err := e.hosts(ctx)
	if err != nil || len(hosts) > 0 {
		return true, err
	}
	_, err = e.address(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
