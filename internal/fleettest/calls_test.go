// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest_test

import (
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
)

// EC2 limits how often it is asked as it does for a new account. The guide on AWS has
// the figures of 50 services.
func TestHowOftenAWSIsAsked(t *testing.T) {
	t.Parallel()
	fleettest.HowOften(t, fleettest.Frugality{Idle: 12, Losing: 60}, func(t *testing.T) *fleettest.World {
		w, a := onAWS(t, 0, 30*time.Second, 40*time.Second)
		a.Throttle(true)
		for _, market := range []string{awstest.Spot, awstest.OnDemand} {
			a.SetQuota("us-east-1", awstest.ClassStandard, market, 1<<20)
		}
		return w
	})
}

// Compute Engine limits how often it is asked as it does for every project. The guide
// on Google Cloud has the figures.
func TestHowOftenGoogleIsAsked(t *testing.T) {
	t.Parallel()
	fleettest.HowOften(t, fleettest.Frugality{Idle: 3, Losing: 60}, func(t *testing.T) *fleettest.World {
		w, g := onGCP(t, 0, 30*time.Second, 40*time.Second)
		g.Throttle(true)
		for _, metric := range []string{"CPUS", "PREEMPTIBLE_CPUS"} {
			g.SetQuota("us-east1", metric, 1<<20)
		}
		return w
	})
}
