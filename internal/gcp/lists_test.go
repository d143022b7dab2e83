// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// A list that Google has no time for is asked for again, and no longer than somebody
// waits for it.
func TestAListEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		cloud := r.as("somebody")
		if _, err := cloud.List(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		r.gcp.Fault(func(c gcptest.Call) gcptest.Verdict {
			if c.Method == "compute.instances.aggregatedList" {
				return gcptest.Verdict{Err: gcptest.Unavailable()}
			}
			return gcptest.Verdict{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := cloud.List(ctx, "web"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it gives %v", err)
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("it was waited for for %v", waited)
		}
	})
}
