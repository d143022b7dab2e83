// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"path"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// operations are what Compute Engine has taken to do, and is doing.
type operations struct {
	project string
	zones   *compute.ZoneOperationsClient
	regions *compute.RegionOperationsClient
	global  *compute.GlobalOperationsClient
}

// in gives the operations of another project: that of a network that is shared.
func (o operations) in(project string) operations {
	o.project = project
	return o
}

// wait waits until an operation is done, and gives it then; an operation that has
// failed is a [failure]. It is Compute Engine that waits, for up to two minutes with
// each call.
func (o operations) wait(ctx context.Context, op *computepb.Operation) (*computepb.Operation, error) {
	for op.GetStatus() != computepb.Operation_DONE {
		var err error
		switch {
		case op.GetZone() != "":
			op, err = o.zones.Wait(ctx, &computepb.WaitZoneOperationRequest{Project: o.project, Zone: path.Base(op.GetZone()), Operation: op.GetName()})
		case op.GetRegion() != "":
			op, err = o.regions.Wait(ctx, &computepb.WaitRegionOperationRequest{Project: o.project, Region: path.Base(op.GetRegion()), Operation: op.GetName()})
		default:
			op, err = o.global.Wait(ctx, &computepb.WaitGlobalOperationRequest{Project: o.project, Operation: op.GetName()})
		}
		if err != nil {
			return nil, err
		}
	}
	if op.GetError() == nil {
		return op, nil
	}
	f := &failure{operation: op.GetOperationType(), status: int(op.GetHttpErrorStatusCode())}
	for _, e := range op.GetError().GetErrors() {
		f.codes = append(f.codes, e.GetCode())
		f.words = append(f.words, e.GetMessage())
	}
	return op, f
}

// done is wait for a call that was just made.
func (o operations) done(ctx context.Context, op *compute.Operation, err error) (*computepb.Operation, error) {
	if err != nil {
		return nil, err
	}
	return o.wait(ctx, op.Proto())
}
