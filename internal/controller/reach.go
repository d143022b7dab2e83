// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"net"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Some clouds have a way of their own to the machines they make; see
// [serve.Dialer]. The loop keeps the ways to the replicas it has such machines
// for, and the balancer and the probes take them.

// way notes how the replica is reached, if not plainly, and gives what connects
// to it.
func (l *loop) way(r *serve.Replica) balancer.Dial {
	if dialer, ok := l.cloud(r.Offer.Location.Cloud).(serve.Dialer); ok {
		l.c.ways.Store(r.ID, way{dialer, l.ref(r.ID)})
	}
	return l.c.dial
}

// way is how one replica is reached.
type way struct {
	serve.Dialer
	ref serve.Ref
}

// dial connects to a replica.
func (c *Controller) dial(ctx context.Context, id int64, address string) (net.Conn, error) {
	if known, ok := c.ways.Load(id); ok {
		if w, ok := known.(way); ok {
			return w.Dial(ctx, w.ref, address)
		}
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}
