// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Cloud implements [headquarters.Estate].
func (e *estate) Cloud(noted *string) (serve.Cloud, error) {
	where, err := headquarters.Whereabouts(noted, e.conf) // those who destroy have a way of their own
	if err != nil {
		return nil, err
	}
	if !slices.Contains(where.Regions, e.region) {
		where.Regions = append(where.Regions, e.region) // where nothing is lost by looking
	}
	return NewCloud(CloudOptions{
		Known: where.String(), Scope: headquarters.Scope(e.region), Transport: e.o.Transport, Log: e.o.Log,
	}), nil
}

// Remove implements [headquarters.Estate].
func (e *estate) Remove(ctx context.Context) error {
	for _, step := range []func(context.Context) error{e.releaseAddresses, e.removeTemplate, e.removeSecurityGroups, e.removeRole, e.removeBucket} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// removeSecurityGroups deletes that of the controller.
func (e *estate) removeSecurityGroups(ctx context.Context) error {
	return e.deleteGroups(ctx, map[string]string{tagController: e.service})
}

// Left implements [headquarters.Estate].
func (e *estate) Left(ctx context.Context) (bool, error) {
	hosts, err := e.hosts(ctx)
	if err != nil || len(hosts) > 0 {
		return true, err
	}
	addresses, err := e.addresses(ctx)
	return len(addresses) > 0, err
}
