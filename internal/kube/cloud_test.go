// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// The spot node of these tests is real and runs what it is given. There is one
// real node only, so that the on-demand one is simulated, and so is the end of a
// program there.
func TestCloudKeepsItsContract(t *testing.T) {
	t.Parallel()
	var rigs sync.Map // by cloud
	of := func(c serve.Cloud) *rig {
		r, _ := rigs.Load(c)
		return r.(*rig)
	}
	resource := newRig(t).tolerant()
	servetest.TestCloud(t, func(t *testing.T) serve.Cloud {
		r := newRig(t)
		r.simulate(t, "on-demand")
		c := r.cloud(t)
		rigs.Store(serve.Cloud(c), r)
		return c
	}, servetest.CloudHooks{
		Resource: resource,
		Scripts:  true,
		Exhaust: func(t *testing.T, c serve.Cloud, o serve.Offer) {
			if o.Market != serve.Spot {
				t.Fatalf("asked to exhaust %+v", o)
			}
			r := of(c)
			r.label(t, r.node, map[string]any{r.mine(): nil})
		},
		Refill: func(t *testing.T, c serve.Cloud, _ serve.Offer) {
			r := of(c)
			r.label(t, r.node, map[string]any{r.mine(): ""})
		},
		Kill: func(t *testing.T, c serve.Cloud, i serve.Instance) { of(c).kill(t, i.Ref) },
	})
}
