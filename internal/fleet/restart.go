// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Restarting is the restart of one replica under way, as its vendor carries it out.
type Restarting interface {
	// Running gives the machine of the replica; serve.ErrNotFound when there is none
	// that runs.
	Running(ctx context.Context) (Up, error)
	// Fallen is that of [Launching], of the machine that Running has given.
	Fallen(ctx context.Context) error
	// Revise has a machine be listed with the revision that it runs now, and gives it
	// as it is listed.
	Revise(ctx context.Context, i serve.Instance) (serve.Instance, error)
}

// Restart gives the agent on the machine of req.Ref another order, and then has the
// vendor note its revision. When somebody dies in between, the next one finds an
// agent that has the order already.
func (f *Fleet) Restart(ctx context.Context, req serve.LaunchRequest, r Restarting) (serve.Instance, error) {
	ctx, leave, err := f.working.Enter(ctx, req.Ref)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("restarting replica %d: %w", req.Ref.Replica, err)
	}
	defer leave()
	i, err := f.restart(ctx, req, r)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("restarting replica %d: %w", req.Ref.Replica, err)
	}
	return i, nil
}

func (f *Fleet) restart(ctx context.Context, req serve.LaunchRequest, r Restarting) (serve.Instance, error) {
	up, err := r.Running(ctx)
	if err != nil || up.Revision == req.Revision {
		return up.Instance, err
	}
	if err := f.furnish(ctx, req, up, r.Fallen); err != nil {
		if _, gone := r.Running(ctx); errors.Is(gone, serve.ErrNotFound) {
			return serve.Instance{}, gone
		}
		if errors.Is(err, serve.ErrNotFound) {
			err = errors.New(err.Error()) // something is not there, but the machine is
		}
		return serve.Instance{}, err
	}
	i, err := r.Revise(ctx, up.Instance)
	if err != nil {
		return serve.Instance{}, err
	}
	f.renew(i)
	return i, nil
}
