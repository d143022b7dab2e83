// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// running gives a world in which n replicas of the spec's first revision are ready.
func running(t *testing.T, spec serve.Spec, n int64) *world {
	t.Helper()
	w := newWorld(t, spec)
	w.step()
	for id := range n {
		w.become(id+1, serve.Ready)
	}
	if got := w.step(); got != "" {
		t.Fatalf("a healthy service is not left alone: %s", got)
	}
	return w
}

func TestPolicyUpdateKeepsReplicas(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.update(func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(3) })
	w.want("U1 from two to three", "relabel 1, relabel 2, launch on-demand 3")
	w.become(3, serve.Ready)
	w.update(func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(2) })
	w.want("U1 and back", "relabel 1, relabel 2, relabel 3, remove 3")
	for _, id := range []int64{1, 2} {
		if got := w.find(id).Revision; got != 3 {
			t.Errorf("U1 replica %d is of revision %d", id, got)
		}
	}
	w.want("U1 settled", "")
}

func TestWhatIsTheSameTask(t *testing.T) {
	t.Parallel()
	east, west := serve.Resource{Infra: "aws/us-east-1"}, serve.Resource{Infra: "gcp"}
	spec := onDemandSpec(fixed(1))
	spec.Resources.AnyOf = []serve.Resource{east, west}
	spec.Envs = map[string]string{"A": "1"}
	spec.Workdir = "sha256:1"
	rows := []struct {
		name   string
		change func(*serve.Spec)
		want   string
	}{
		{"U1 another probe", func(s *serve.Spec) { s.ReadinessProbe.Path = "/other" }, "relabel 1"},
		{"U2 another env", func(s *serve.Spec) { s.Envs = map[string]string{"A": "2"} }, "launch on-demand 2"},
		{"U3 any_of in another order", func(s *serve.Spec) { s.Resources.AnyOf = []serve.Resource{west, east} }, "relabel 1"},
		{"U4 another workdir", func(s *serve.Spec) { s.Workdir = "sha256:2" }, "launch on-demand 2"},
		{"U4 the same workdir, which SkyServe replaces", func(s *serve.Spec) { s.ReplicaPolicy.UpscaleDelaySeconds = 7 }, "relabel 1"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, spec, 1)
			w.update(row.change)
			w.want(row.name, row.want)
		})
	}
}

func TestRelabelledReplicasAreEqual(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.find(1).Revision, w.in.Revision = 2, 2
	w.update(func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(1) })
	w.want("the newer replica goes, though its revision was the older", "relabel 1, relabel 2, remove 2")
	w = running(t, onDemandSpec(fixed(2)), 2)
	w.find(2).Revision, w.in.Revision = 2, 2
	w.update(func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(1) })
	w.want("the newer replica goes, whatever its revision was", "relabel 1, relabel 2, remove 2")
}

func TestRollingUpdate(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.update(func(s *serve.Spec) { s.Run = "better server" })
	w.want("U5 all new replicas are launched at once", "launch on-demand 3, launch on-demand 4")
	w.want("U5 they boot and the old ones stay", "")
	w.become(3, serve.Ready)
	w.want("U5 one is ready", "remove 2")
	for _, d := range w.out.Decisions {
		if d.Cause != serve.CauseOutdated {
			t.Errorf("replica %d is removed for %q", d.ReplicaID, d.Cause)
		}
	}
	w.want("U5 the other boots", "")
	w.become(4, serve.Ready)
	w.want("U5 both are ready", "remove 1")
	w.vanish(1, 2)
	w.want("U5 done", "")
}

func TestRollingUpdateGoesBackwardsToo(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.update(func(s *serve.Spec) { s.Run = "worse server" })
	w.want("an update", "launch on-demand 3, launch on-demand 4")
	w.update(func(s *serve.Spec) { s.Run = "server" })
	w.want("taken back: the first replicas are as good as new", "relabel 1, relabel 2, remove 4, remove 3")
}

func TestOldReplicasThatAreLostAreNotReplaced(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.update(func(s *serve.Spec) { s.Run = "better server" })
	w.step()
	w.become(1, serve.ShuttingDown)
	w.want("the new ones are on their way", "")
	w.become(3, serve.Ready)
	w.want("one old and one new replica are ready", "")
}

func TestUpdateToNoneRemovesAll(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.update(func(s *serve.Spec) { s.Run, s.ReplicaPolicy = "other", serve.FixedReplicas(0) })
	w.want("none are wanted", "remove 2, remove 1")
}

// F22, the rolling half.
func TestUpdateFromOnDemandToBase(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.update(func(s *serve.Spec) { *s = spotSpec(fixed(5), base(1)) })
	w.want("F22 launched", "launch spot 3, launch spot 4, launch spot 5, launch spot 6, launch on-demand 7")
	for id := range int64(4) {
		w.become(id+3, serve.Ready)
	}
	w.want("F22 four are ready: one old replica stays", "remove 2")
	w.become(7, serve.Ready)
	w.want("F22 all five are", "remove 1")
}

// The base is more than the target, and the mix smaller than target and
// overprovision: the rollout must end all the same.
func TestRolloutEndsWhenTheMixIsSmall(t *testing.T) {
	t.Parallel()
	spec := spotSpec(scaling(1, 2), base(2), overprovision(2))
	w := newWorld(t, spec, "1 on-demand READY v0")
	w.want("one of each", "launch spot 2, launch on-demand 3")
	w.become(2, serve.Ready)
	w.want("half of them are ready", "")
	w.become(3, serve.Ready)
	w.want("both are", "remove 1")
}

func TestBrokenRevisionLeavesTheOldOneAlone(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.update(func(s *serve.Spec) { s.Run = "broken" })
	w.want("U10 the new revision", "launch on-demand 3, launch on-demand 4")
	w.become(3, serve.FailedInitialDelay)
	w.want("U10 it fails", "")
	w.become(4, serve.Failed)
	w.want("U10 for good", "")
	if want := "Replicas 3, 4 of revision 2 failed for good and none was ever ready: nothing is launched or removed until the service is updated."; w.out.Hold != want {
		t.Errorf("U10 got  %q\nwant %q", w.out.Hold, want)
	}
	w.update(func(s *serve.Spec) { s.Run = "mended" })
	w.want("U10 the next update goes on", "launch on-demand 5, launch on-demand 6")
}
