// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// apart is a cloud whose machines have addresses that lead nowhere.
type apart struct {
	*servetest.Scripted
	real sync.Map // from serve.Ref to the address
}

// nowhere is in a block that is kept free for examples.
const nowhere = "203.0.113.7:8081"

func (a *apart) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	i, err := a.Scripted.Launch(ctx, req)
	a.real.Store(req.Ref, i.Address)
	i.Address = nowhere
	return i, err
}

func (a *apart) Dial(ctx context.Context, ref serve.Ref, address string) (net.Conn, error) {
	to, ok := a.real.Load(ref)
	if !ok || address != nowhere {
		return nil, fmt.Errorf("there is no replica %v at %s", ref, address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprint(to))
}

func TestACloudMayHaveAWayOfItsOwnToItsMachines(t *testing.T) {
	t.Parallel()
	cloud, store := &apart{Scripted: newCloud(t)}, servetest.NewStore()
	with := func(c *Controller) { c.o.Clouds = []serve.Cloud{cloud} }
	r := start(t, cloud.Scripted, store, with)
	r.apply(dynamicSpec())
	answers := func() {
		t.Helper()
		r.await("two replicas", settled(1, 2))
		if _, err := r.get(); err != nil {
			t.Errorf("the endpoint does not answer: %v", err)
		}
	}
	answers()
	r.crash()
	r = start(t, cloud.Scripted, store, with)
	answers()
}
