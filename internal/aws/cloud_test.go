// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// The instances are records only, whose agents say what the records say; what
// machines do is tried in machine_test.go.
func TestCloud(t *testing.T) {
	t.Parallel()
	var accounts sync.Map // from a cloud to its account
	pool := func(o serve.Offer) awstest.Pool {
		market := awstest.OnDemand
		if o.Market == serve.Spot {
			market = awstest.Spot
		}
		return awstest.Pool{Zone: o.Location.Zone, Type: o.InstanceType, Market: market}
	}
	account := func(c serve.Cloud) *awstest.AWS {
		a, _ := accounts.Load(c)
		return a.(*awstest.AWS)
	}
	servetest.TestCloud(t, func(t *testing.T) serve.Cloud {
		a := awstest.New(t, awstest.Options{Pending: 50 * time.Millisecond, Stopping: 50 * time.Millisecond})
		f := &fleet{aws: a, every: 20 * time.Millisecond, boot: 100 * time.Millisecond}
		cloud := newCloud(t, a, f, aws.Config{Regions: []string{"us-east-1"}})
		accounts.Store(serve.Cloud(cloud), a)
		return cloud
	}, servetest.CloudHooks{
		Resource: serve.Resource{CPUs: "2+"},
		Exhaust:  func(_ *testing.T, c serve.Cloud, o serve.Offer) { account(c).Exhaust(pool(o)) },
		Refill:   func(_ *testing.T, c serve.Cloud, o serve.Offer) { account(c).Refill(pool(o)) },
		Untold:   true,
		Kill: func(t *testing.T, c serve.Cloud, i serve.Instance) {
			if !account(c).Kill(i.ID) {
				t.Errorf("there is no instance %s to be killed", i.ID)
			}
		},
	})
}
