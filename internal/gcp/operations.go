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

// done waits until what a call has begun is done; an operation that has failed is a
// [failure]. It is Compute Engine that waits, for up to two minutes with each question.
func (o operations) done(ctx context.Context, begun *compute.Operation, err error) error {
	if err != nil {
		return err
	}
	op := begun.Proto()
	for op.GetStatus() != computepb.Operation_DONE {
		switch {
		case op.GetZone() != "":
			op, err = o.zones.Wait(ctx, &computepb.WaitZoneOperationRequest{Project: o.project, Zone: path.Base(op.GetZone()), Operation: op.GetName()})
		case op.GetRegion() != "":
			op, err = o.regions.Wait(ctx, &computepb.WaitRegionOperationRequest{Project: o.project, Region: path.Base(op.GetRegion()), Operation: op.GetName()})
		default:
			op, err = o.global.Wait(ctx, &computepb.WaitGlobalOperationRequest{Project: o.project, Operation: op.GetName()})
		}
		if err != nil {
			return err
		}
	}
	if op.GetError() != nil {
		return failed(op)
	}
	return nil
}

// failed gives the failure of an operation.
func failed(op *computepb.Operation) *failure {
	f := &failure{operation: op.GetOperationType(), status: int(op.GetHttpErrorStatusCode())}
	for _, e := range op.GetError().GetErrors() {
		f.codes = append(f.codes, e.GetCode())
		f.words = append(f.words, e.GetMessage())
	}
	return f
}
