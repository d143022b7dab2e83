// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Destroy implements [serve.Deployer]. The bucket goes last: as long as it is
// there the controller is listed, and can be destroyed again.
func (d *Deployer) Destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	swept, err := d.destroy(ctx, service)
	if err != nil {
		return swept, fmt.Errorf("destroying the controller of service %q: %w", service, err)
	}
	return swept, nil
}

func (d *Deployer) destroy(ctx context.Context, service string) ([]serve.Instance, error) {
	ctx, leave, err := d.services.Enter(ctx, service)
	if err != nil {
		return nil, err
	}
	defer leave()
	e, err := d.estate(ctx, service)
	if err != nil {
		return nil, err
	}
	if err := e.removeGroup(ctx); err != nil {
		return nil, err
	}
	where, err := e.whereabouts(ctx)
	if err != nil {
		return nil, err
	}
	cloud := NewCloud(CloudOptions{
		Known: where.String(), Scope: func() (string, error) { return hostScope(e.region), nil }, Transport: d.o.Transport, Log: d.o.Log,
	})
	swept, err := serve.Sweep(ctx, cloud, service)
	if err != nil {
		return swept, fmt.Errorf("ending the machines of the service: %w", err)
	}
	for _, step := range []func(context.Context) error{e.releaseAddresses, e.removeTemplate, e.removeSecurityGroups, e.removeRole, e.removeBucket} {
		if err := step(ctx); err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// whereabouts gives where the controller has had machines: everywhere, if nobody
// has kept that.
func (e *estate) whereabouts(ctx context.Context) (place, error) {
	b, err := e.bucket(ctx)
	if err != nil {
		return place{}, err
	}
	var p place
	if err = bucket.Read(ctx, b, placeKey, &p); errors.Is(err, serve.ErrNotFound) {
		p, err = place{Everywhere: true}, nil
	}
	p.Config = e.conf // those who destroy have a way of their own
	if !slices.Contains(p.Regions, e.region) {
		p.Regions = append(p.Regions, e.region) // where nothing is lost by looking
	}
	return p, err
}

// removeSecurityGroups deletes that of the controller.
func (e *estate) removeSecurityGroups(ctx context.Context) error {
	return e.deleteGroups(ctx, map[string]string{tagController: e.service})
}

// leftover says of a controller without a bucket that it is gone, if nothing of it
// is left.
func (e *estate) leftover(ctx context.Context, gone error) error {
	hosts, err := e.hosts(ctx)
	if err != nil {
		return err
	}
	addresses, err := e.addresses(ctx)
	if err != nil {
		return err
	}
	if len(hosts)+len(addresses) > 0 {
		return fmt.Errorf("its bucket was deleted or is not complete, but something of it is there: %w", serve.ErrUnreachable)
	}
	return gone
}
