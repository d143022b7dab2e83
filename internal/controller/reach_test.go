// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestACloudMayHaveAWayOfItsOwnToItsMachines(t *testing.T) {
	t.Parallel()
	cloud, store := &servetest.Apart{Scripted: newCloud(t)}, servetest.NewStore()
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
