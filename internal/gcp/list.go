// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// running is the status of an instance that is running.
const running = "RUNNING"

// alive reports whether an instance is there, or on its way up.
func alive(i *computepb.Instance) bool {
	switch i.GetStatus() {
	case running, "PROVISIONING", "STAGING", "PENDING", "REPAIRING":
		return true
	}
	return false
}

func zoneOf(i *computepb.Instance) string { return path.Base(i.GetZone()) }

// List gives the instances of the service in every zone of the project, until they are
// gone. Those that are not running yet, or not any more, are not Running.
func (c *Cloud) List(ctx context.Context, service string) ([]serve.Instance, error) {
	found, err := c.list(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("listing the instances of service %q: %w", service, err)
	}
	return found, nil
}

func (c *Cloud) list(ctx context.Context, service string) ([]serve.Instance, error) {
	if c.account.Unused() {
		return nil, nil
	}
	j, err := c.account.Join(ctx)
	if err != nil {
		return nil, err
	}
	all, err := j.existing(ctx, serviceLabels(j.scope, service))
	if err != nil {
		return nil, err
	}
	var list []serve.Instance
	for _, i := range all {
		up, err := j.up(i)
		if err != nil {
			return nil, err
		}
		if up.Ref.Service == service { // a label need not be all of a name
			list = append(list, up.Instance)
		}
	}
	slices.SortFunc(list, func(a, b serve.Instance) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// unseen is that some zones were not heard from, in which there may be instances.
type unseen struct{ zones []string }

// Error names the zones.
func (u *unseen) Error() string {
	return fmt.Sprintf("Compute Engine knows nothing of %s at present", strings.Join(u.zones, ", "))
}

// Unwrap gives what it means.
func (*unseen) Unwrap() error { return serve.ErrUnreachable }

// existing gives the instances with all of the labels, in all zones: with one question,
// unless there are hundreds. With an [unseen] it gives those of the zones that it knows
// of: what the others have is not to be taken for gone.
func (j *joined) existing(ctx context.Context, labels map[string]string) ([]*computepb.Instance, error) {
	by := filter(labels)
	var all []*computepb.Instance
	var lost unseen
	pages := j.within(ctx).instances.AggregatedList(ctx, &computepb.AggregatedListInstancesRequest{Project: j.project, Filter: &by})
	for {
		scope, err := pages.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("looking for instances: %w", meaning(err))
		}
		if zone := path.Base(scope.Key); scope.Value.GetWarning().GetCode() == "UNREACHABLE" && j.populated(regionOf(zone)) {
			lost.zones = append(lost.zones, zone)
		}
		all = append(all, scope.Value.GetInstances()...)
	}
	if len(lost.zones) > 0 {
		return all, fmt.Errorf("looking for instances: %w", &lost)
	}
	return all, nil
}

// get gives an instance by its name; serve.ErrNotFound if there is none.
func (j *joined) get(ctx context.Context, zone, name string) (*computepb.Instance, error) {
	i, err := j.services.instances.Get(ctx, &computepb.GetInstanceRequest{Project: j.project, Zone: zone, Instance: name})
	return i, meaning(err)
}
