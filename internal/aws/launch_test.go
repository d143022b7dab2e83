// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A zone without capacity is left at once, although EC2 says so with the status of
// a server in trouble.
func TestAZoneWithoutCapacityIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		offer := r.offer(serve.Spot)
		r.aws.Exhaust(awstest.Pool{Zone: offer.Location.Zone, Market: awstest.Spot})
		_, err := r.cloud.Launch(t.Context(), r.request(offer))
		if !errors.Is(err, serve.ErrCapacity) {
			t.Errorf("got %v, want that there is no capacity", err)
		}
		if calls := r.aws.Books().Calls["ec2:RunInstances"]; calls != 1 {
			t.Errorf("EC2 was asked %d times", calls)
		}
		if live := r.aws.Books().Live(); len(live) > 0 {
			t.Errorf("left behind: %v", live)
		}
	})
}

func TestALaunchIsOneInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.aws.LoseNext("RunInstances")
		r.aws.Lag(20 * time.Second)
		offer := r.offer(serve.Spot)
		i, err := r.cloud.Launch(t.Context(), r.request(offer))
		if err != nil {
			t.Fatal(err)
		}
		live := r.aws.Books().Live()
		if len(live) != 1 || live[0].ID != i.ID {
			t.Errorf("launched %v, by the books there are %v", i, live)
		}
		if err := r.cloud.Terminate(t.Context(), i.Ref); err != nil {
			t.Fatal(err)
		}
		if live := r.aws.Books().Live(); len(live) > 0 {
			t.Errorf("left behind: %v", live)
		}
	})
}
