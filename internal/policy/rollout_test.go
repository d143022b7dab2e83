// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"testing"

	"pgregory.net/rapid"

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

func blueGreen(s *serve.Spec) { s.UpdateMode = serve.BlueGreen }

// active checks which revision serves alone; 0 is several.
func (w *world) active(when string, revision int64) {
	w.t.Helper()
	if got := w.in.Memory.Active; got != revision {
		w.t.Errorf("%s: revision %d serves, and not %d", when, got, revision)
	}
}

func TestBlueGreenUpdate(t *testing.T) {
	t.Parallel()
	spec := onDemandSpec(fixed(2))
	blueGreen(&spec)
	w := running(t, spec, 2)
	w.active("at first", 1)
	w.update(func(s *serve.Spec) { s.Run = "better server" })
	w.want("U6 all new replicas are launched at once", "launch on-demand 3, launch on-demand 4")
	w.become(3, serve.Ready)
	w.want("U6 one is ready, and both old ones stay", "")
	w.active("U6 until then the old revision serves alone", 1)
	w.become(4, serve.Ready)
	w.want("U6 both are ready", "remove 2, remove 1")
	w.active("U6 from then on the new one does", 2)
	w.want("U6 settled", "")
	w.become(3, serve.NotReady)
	w.want("one of the new ones fails a probe", "")
	w.active("and the new revision serves on", 2)
}

func TestBlueGreenSwitches(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name     string
		policy   func(*serve.ReplicaPolicy)
		target   int
		replicas []string
		want     string
		active   int64
	}{
		{
			"U7 as soon as the new revision has as many as the old one", scaling(1, 3), 3,
			[]string{"1 on-demand READY v1", "2 on-demand READY v2", "3 on-demand STARTING v2", "4 on-demand STARTING v2"}, "remove 1", 2,
		},
		{
			"U7 but not at the minimum while the old one carries more", scaling(1, 3), 3,
			[]string{"1 on-demand READY v1", "2 on-demand READY v1", "3 on-demand READY v2", "4 on-demand STARTING v2", "5 on-demand STARTING v2"}, "", 1,
		},
		{
			"when there is as much as is wanted, though the old one had more", scaling(1, 3), 1,
			[]string{"1 on-demand READY v1", "2 on-demand READY v1", "3 on-demand READY v2"}, "remove 2, remove 1", 2,
		},
		{
			"when there is as much as the mix wants, the base being above the target", func(p *serve.ReplicaPolicy) {
				scaling(1, 2)(p)
				p.NumOverprovision, p.BaseOndemandFallbackReplicas = 1, 2
			}, 1,
			[]string{"1 on-demand READY v1", "2 on-demand READY v1", "3 on-demand READY v2"}, "remove 2, remove 1", 2,
		},
		{
			"U8 the oldest that can serves while neither has enough", fixed(2), 2,
			[]string{"1 on-demand READY v1", "2 on-demand STARTING v1", "3 on-demand READY v2", "4 on-demand STARTING v2"}, "", 1,
		},
		{
			"the new one serves when no other can", fixed(2), 2,
			[]string{"1 on-demand NOT_READY v1", "3 on-demand READY v2", "4 on-demand STARTING v2"}, "remove 1", 2,
		},
		{
			"several that served together go on together, or some would be lost", fixed(3), 3,
			[]string{"1 on-demand READY v8", "2 on-demand READY v9", "3 on-demand READY v9", "4 on-demand READY v2", "5 on-demand STARTING v2", "6 on-demand STARTING v2"}, "", 0,
		},
		{
			"until the newest has as many as they have", fixed(3), 3,
			[]string{"1 on-demand READY v8", "2 on-demand READY v9", "4 on-demand READY v2", "5 on-demand READY v2", "6 on-demand READY v2"}, "remove 1, remove 2", 2,
		},
		{
			"U9 nothing goes while nobody is ready", fixed(1), 1,
			[]string{"1 on-demand NOT_READY v1", "2 on-demand STARTING v2"}, "", 0,
		},
		{
			"U10 a new revision that is broken leaves the old one alone", fixed(1), 1,
			[]string{"1 on-demand READY v1", "2 on-demand FAILED_INITIAL_DELAY v2"}, "", 1,
		},
		{
			"a service that sleeps has no use for old replicas", scaling(0, 2), 0,
			[]string{"1 on-demand READY v1"}, "remove 1", 2,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			spec := onDemandSpec(row.policy)
			blueGreen(&spec)
			w := newWorld(t, spec, row.replicas...)
			w.in.Revision = 2
			w.remember(row.target)
			w.want(row.name, row.want)
			w.active(row.name, row.active)
		})
	}
}

// What came between the revision that serves and the newest will never serve.
func TestBlueGreenSkipsARevision(t *testing.T) {
	t.Parallel()
	spec := onDemandSpec(fixed(2))
	blueGreen(&spec)
	w := running(t, spec, 2)
	w.update(func(s *serve.Spec) { s.Run = "better server" })
	w.want("the second revision", "launch on-demand 3, launch on-demand 4")
	w.become(3, serve.Ready)
	w.update(func(s *serve.Spec) { s.Run = "best server" })
	w.want("the third revision", "launch on-demand 5, launch on-demand 6, remove 4, remove 3")
	w.active("the first still serves", 1)
	w.become(5, serve.Ready)
	w.become(6, serve.Ready)
	w.want("the third is ready", "remove 2, remove 1")
	w.active("and serves", 3)
}

func TestUpdateModeMayChange(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(2)), 2)
	w.active("rolling", 0)
	w.update(func(s *serve.Spec) { blueGreen(s); s.Run = "better server" })
	w.want("a blue-green update of a rolling service", "launch on-demand 3, launch on-demand 4")
	w.active("the old revision serves alone", 1)
	w.update(func(s *serve.Spec) { s.UpdateMode = serve.Rolling })
	w.want("the update goes on as a rolling one", "relabel 3, relabel 4")
	w.active("all serve", 0)
	w.become(3, serve.Ready)
	w.want("one is ready", "remove 2")
}

func bounded(surge, unavailable int) func(*serve.Spec) {
	return func(s *serve.Spec) {
		s.Run = "better server"
		s.RollingUpdate = &serve.RollingUpdate{MaxSurge: surge, MaxUnavailable: unavailable}
	}
}

func TestBoundedRollingUpdate(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(3)), 3)
	w.update(bounded(1, 0))
	w.want("one more at a time", "launch on-demand 4")
	w.want("it boots", "")
	w.become(4, serve.Ready)
	w.want("it is ready, and an old one goes", "remove 3")
	w.want("which has to be gone first", "")
	w.vanish(3)
	w.want("then the next one comes", "launch on-demand 5")

	w = running(t, onDemandSpec(fixed(3)), 3)
	w.update(bounded(0, 1))
	w.want("one less at a time", "remove 3")
	w.want("it drains", "")
	w.vanish(3)
	w.want("it is gone", "launch on-demand 4")
	w.become(4, serve.Ready)
	w.want("the next", "remove 2")

	w = running(t, onDemandSpec(fixed(1)), 1)
	w.update(bounded(0, 1))
	w.want("one that must not be two is none for a while", "remove 1")
	w.vanish(1)
	w.want("and is one again", "launch on-demand 2")

	w = running(t, onDemandSpec(fixed(3)), 3)
	w.update(bounded(1, 0))
	for id := range int64(3) {
		w.become(id+1, serve.NotReady)
	}
	w.want("nobody serves that could be spared", "launch on-demand 4, launch on-demand 5, launch on-demand 6")
}

// Whatever comes first, an update keeps within its bounds at every instant, and
// comes to its end.
func TestBoundsOfARollingUpdateHoldAtEveryInstant(t *testing.T) {
	t.Parallel()
	whole := t
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "replicas")
		surge, unavailable := rapid.IntRange(0, 4).Draw(t, "surge"), rapid.IntRange(0, 4).Draw(t, "unavailable")
		if surge+unavailable == 0 {
			surge = 1
		}
		w := newWorld(whole, onDemandSpec(fixed(n)))
		w.step()
		for id := range int64(n) {
			w.become(id+1, serve.Ready)
		}
		w.step()
		restarts := rapid.Bool().Draw(t, "in place")
		if restarts {
			w.in.Restarts = []string{"cloud"}
		}
		w.update(bounded(surge, unavailable))
		for step := 0; ; step++ {
			w.step()
			ready, machines, old := 0, 0, 0
			var booting, ending []int64
			for _, r := range w.in.Replicas {
				machines++
				switch {
				case r.Teardown != "":
					ending = append(ending, r.ID)
				case r.Status() == serve.Ready:
					ready++
				default:
					booting = append(booting, r.ID)
				}
				if r.Revision == 1 {
					old++
				}
			}
			if machines > n+surge || ready < n-unavailable {
				t.Fatalf("step %d: %d machines, %d ready; want at most %d and at least %d: %s", step, machines, ready, n+surge, n-unavailable, w.shows())
			}
			if old == 0 && len(booting)+len(ending) == 0 {
				if machines != n || ready != n {
					t.Fatalf("at the end there are %d machines, %d ready", machines, ready)
				}
				if launched := w.in.NextID - 1 - int64(n); restarts && launched > int64(max(1, n/2)) {
					t.Fatalf("%d machines are launched where %d could be restarted", launched, n)
				}
				return
			}
			if step > 100 {
				t.Fatalf("it does not come to an end: %s", w.shows())
			}
			// Some of what is under way comes to its end.
			for i, id := range append(booting, ending...) {
				if !rapid.Bool().Draw(t, "done") {
					continue
				}
				if i < len(booting) {
					w.become(id, serve.Ready)
				} else {
					w.vanish(id)
				}
			}
		}
	})
}
