// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Gone asks Compute Engine whether an instance is gone, and why.
func (c *Cloud) Gone(ctx context.Context, was serve.Instance) (gone bool, why string, err error) {
	j, err := c.account.Join(ctx)
	if err != nil {
		return false, "", err
	}
	zone := was.Offer.Location.Zone
	i, err := j.get(ctx, zone, was.ID)
	if err != nil && !errors.Is(err, serve.ErrNotFound) {
		return false, "", err
	}
	if err == nil && alive(i) {
		return false, "", nil
	}
	return true, j.cause(ctx, zone, was.ID).why, nil
}

// cause is why an instance has ended.
type cause struct {
	why string
	// means is what it means for who has launched it: serve.ErrCapacity if Google has
	// taken it, or has lost it. Nil is for somebody having asked for it.
	means error
}

// cause looks among the operations of a zone for the one that has ended an instance, or
// that could not make it; it is kept there for some weeks.
func (j *joined) cause(ctx context.Context, zone, name string) cause {
	by := fmt.Sprintf("targetLink eq %q", ".*/zones/"+zone+"/instances/"+name)
	pages := j.within(ctx).operations.in(j.project).zones.List(ctx, &computepb.ListZoneOperationsRequest{Project: j.project, Zone: zone, Filter: &by})
	var last *computepb.Operation
	for {
		op, err := pages.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return cause{why: "its instance is gone"} // that nobody says why is no reason to doubt it
		}
		if ends(op) && path.Base(op.GetTargetLink()) == name && (last == nil || op.GetInsertTime() > last.GetInsertTime()) {
			last = op
		}
	}
	switch kind := last.GetOperationType(); kind {
	case "":
		return cause{why: "its instance is gone"}
	case "insert":
		f := failed(last)
		return cause{f.Error(), meaningOf(f)}
	case "compute.instances.preempted":
		return cause{"Compute Engine has preempted its instance", serve.ErrCapacity}
	case "compute.instances.hostError":
		return cause{"the host of its instance has failed", serve.ErrCapacity}
	case "compute.instances.guestTerminate":
		return cause{why: "its instance has shut itself down"}
	default:
		by := "somebody"
		if user := last.GetUser(); user != "" && !strings.HasPrefix(user, "system") {
			by = user
		}
		return cause{why: fmt.Sprintf("%s has asked for its instance's end (%s)", by, kind)}
	}
}

// ends reports whether it is by an operation that an instance is not there.
func ends(op *computepb.Operation) bool {
	switch op.GetOperationType() {
	case "compute.instances.preempted", "compute.instances.hostError", "compute.instances.guestTerminate", "delete", "stop", "suspend":
		return true
	case "insert":
		return op.GetError() != nil
	}
	return false
}
