// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func fixed(n int) func(*serve.ReplicaPolicy) {
	return func(p *serve.ReplicaPolicy) { p.MinReplicas, p.MaxReplicas = n, n }
}

func TestWhoGoesFirst(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name     string
		stay     int
		replicas []string
		want     string
	}{
		{"S1 who is not ready", 1, []string{"1 on-demand READY", "2 on-demand PROVISIONING"}, "remove 2"},
		{"S1 even if it is the oldest", 1, []string{"1 on-demand PROVISIONING", "2 on-demand READY"}, "remove 1"},
		{"S2 the newest of equals", 1, []string{"1 on-demand READY", "2 on-demand READY", "3 on-demand READY"}, "remove 3, remove 2"},
		{
			"S4 the least advanced", 1,
			[]string{"1 on-demand READY", "2 on-demand NOT_READY", "3 on-demand STARTING", "4 on-demand PENDING"},
			"remove 4, remove 3, remove 2",
		},
		{
			"each state before the next", 1,
			[]string{"1 on-demand PENDING", "2 on-demand PROVISIONING", "3 on-demand STARTING", "4 on-demand NOT_READY", "5 on-demand READY"},
			"remove 1, remove 2, remove 3, remove 4",
		},
		{"who is on its way out already is not removed again", 1, []string{"1 on-demand READY", "2 on-demand SHUTTING_DOWN", "3 on-demand READY"}, "remove 3"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onDemandSpec(fixed(row.stay)), row.replicas...)
			w.want(row.name, row.want)
			for _, d := range w.out.Decisions {
				if d.Cause != serve.CauseScaleDown {
					t.Errorf("replica %d is removed for %q", d.ReplicaID, d.Cause)
				}
			}
		})
	}
}

func TestOldestRevisionGoesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(2)), "1 on-demand READY v1", "2 on-demand READY v2", "3 on-demand READY v3")
	w.in.Revision = 3
	w.want("S3 one old replica has to go", "launch on-demand 4, remove 1")
}

func TestLastReadyReplicaStays(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name     string
		spec     serve.Spec
		revision int64
		replicas []string
		want     string
	}{
		{
			"of a market that is not wanted any more, while the other boots", spotSpec(base(1), fixed(1)), 1,
			[]string{"1 spot READY", "2 on-demand STARTING"}, "",
		},
		{
			"until the other is ready", spotSpec(base(1), fixed(1)), 1,
			[]string{"1 spot READY", "2 on-demand READY"}, "remove 1",
		},
		{
			"of two that are not wanted, the newer goes", spotSpec(base(1), fixed(1)), 1,
			[]string{"1 spot READY", "2 on-demand STARTING", "3 spot READY"}, "remove 3",
		},
		{
			"unless an old one serves", spotSpec(base(1), fixed(1)), 2,
			[]string{"1 spot READY v1", "2 on-demand STARTING v2", "3 spot READY v2"}, "remove 3",
		},
		{
			"though not when the service is to have none", spotSpec(scaling(0, 1), base(1)), 1,
			[]string{"1 spot READY", "2 on-demand READY"}, "remove 1, remove 2",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, row.spec, row.replicas...)
			w.in.Revision = row.revision
			w.in.Memory.Revision, w.in.Memory.Target = row.revision, row.spec.ReplicaPolicy.MinReplicas
			w.want(row.name, row.want)
		})
	}
}

// An update to a lower maximum leaves more replicas than there may be. Nothing is
// added before they are gone.
func TestNothingIsLaunchedAboveTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec(fixed(1), base(1)), "1 spot STARTING", "2 spot STARTING")
	w.want("two are the most there can be", "remove 2, remove 1")
	if w.out.Hold == "" {
		t.Error("nothing says why the on-demand replica is not launched")
	}
	w.vanish(1, 2)
	w.want("they are gone", "launch on-demand 3")
	if w.out.Hold != "" {
		t.Errorf("it still says %q", w.out.Hold)
	}
}
