// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Apart is a scripted cloud whose machines have addresses that lead nowhere, so that
// they are reached by its Dial alone; see [serve.Dialer].
type Apart struct {
	*Scripted
	real sync.Map // from serve.Ref to the address
}

var _ serve.Dialer = (*Apart)(nil)

// nowhere is in a block that is kept free for examples.
const nowhere = "203.0.113.7:8081"

// Launch implements [serve.Cloud].
func (a *Apart) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	i, err := a.Scripted.Launch(ctx, req)
	a.real.Store(req.Ref, i.Address)
	i.Address = nowhere
	return i, err
}

// Dial implements [serve.Dialer].
func (a *Apart) Dial(ctx context.Context, ref serve.Ref, address string) (net.Conn, error) {
	to, ok := a.real.Load(ref)
	if !ok || address != nowhere {
		return nil, fmt.Errorf("there is no replica %v at %s: %w", ref, address, serve.ErrUnreachable)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprint(to))
}
