// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"context"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Restarting is a [Scripted] cloud whose machines can be given another task. Its
// operations are "restart", and "restarted" when that is about to return.
type Restarting struct{ *Scripted }

var _ serve.Restarter = Restarting{}

// Restart implements serve.Restarter.
func (c Restarting) Restart(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := c.call(ctx, "restart", req.Ref); err != nil {
		return serve.Instance{}, err
	}
	c.mu.Lock()
	m := c.machines[req.Ref]
	if m == nil || !m.instance.Running {
		c.mu.Unlock()
		return serve.Instance{}, fmt.Errorf("machine of replica %d: %w", req.Ref.Replica, serve.ErrNotFound)
	}
	m.instance.Revision = req.Revision
	instance := m.instance
	c.mu.Unlock()
	return instance, c.call(ctx, "restarted", req.Ref)
}
