// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// What a spec says that there will be, for whoever wants to know what it costs, is
// what the policy makes of it, and on the way there is never more than the spec says
// that there may be.
func TestThereIsWhatASpecSaysThereWillBe(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		for over := range 3 {
			for b := range 3 {
				replicas, least := n+1, min(b, n+1)
				change := func(p *serve.ReplicaPolicy) {
					p.MinReplicas, p.MaxReplicas, p.NumOverprovision = replicas, replicas, over
				}
				for _, spec := range []serve.Spec{
					onDemandSpec(change), spotSpec(change), spotSpec(change, base(least)), spotSpec(change, dynamic), spotSpec(change, base(least), dynamic),
				} {
					settles(t, spec)
				}
			}
		}
	}
}

// settles lets every replica become ready, and counts.
func settles(t *testing.T, spec serve.Spec) {
	t.Helper()
	w := newWorld(t, spec)
	name := fmt.Sprintf("with %+v, spot %v", spec.ReplicaPolicy, spec.Resources.Spot())
	count := func() (spot, onDemand int) {
		for _, r := range w.in.Replicas {
			if r.Market == serve.Spot {
				spot++
			} else {
				onDemand++
			}
		}
		return spot, onDemand
	}
	mostSpot, mostOnDemand := spec.Most()
	for range 20 {
		if w.step() == "" {
			break
		}
		if spot, onDemand := count(); spot > mostSpot || onDemand > mostOnDemand {
			t.Errorf("%s: there are %d spot and %d on-demand replicas, and may be %d and %d", name, spot, onDemand, mostSpot, mostOnDemand)
		}
		for _, r := range append([]serve.Replica(nil), w.in.Replicas...) {
			if r.Teardown != "" {
				w.vanish(r.ID)
			} else {
				w.become(r.ID, serve.Ready)
			}
		}
		w.pass(time.Minute)
	}
	spot, onDemand := count()
	if wantSpot, wantOnDemand := spec.Mix(spec.ReplicaPolicy.MinReplicas); spot != wantSpot || onDemand != wantOnDemand {
		t.Errorf("%s: there are %d spot and %d on-demand replicas, want %d and %d", name, spot, onDemand, wantSpot, wantOnDemand)
	}
}
