// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// restarting is a service whose machines can be given another task.
func restarting(t *testing.T, spec serve.Spec, n int64) *world {
	t.Helper()
	w := running(t, spec, n)
	w.in.Restarts = []string{"cloud"}
	return w
}

func TestOnlyTheProgramIsRestarted(t *testing.T) {
	t.Parallel()
	w := restarting(t, onDemandSpec(fixed(3)), 3)
	w.update(bounded(1, 0))
	w.want("a stand-in comes first", "launch on-demand 4")
	w.want("it boots", "")
	w.become(4, serve.Ready)
	w.want("it is ready", "restart 3")
	if why := w.out.Decisions[0].Reason; !strings.HasSuffix(why, "goes before those; its machine will do for revision 2, so that only its program is restarted") {
		t.Errorf("the reason is %q", why)
	}
	if r := w.find(3); r.Revision != 2 || r.Status() != serve.Starting {
		t.Errorf("the replica is %s of revision %d", r.Status(), r.Revision)
	}
	w.want("until it is ready nothing else happens", "")
	w.become(3, serve.Ready)
	w.want("the next", "restart 2")
	w.become(2, serve.Ready)
	w.want("the stand-in is in the place of the last", "remove 1")
	w.vanish(1)
	w.want("done", "")

	w = restarting(t, onDemandSpec(fixed(3)), 3)
	w.update(bounded(0, 1))
	w.want("where one may be missing nothing is launched", "restart 3")
	w.become(3, serve.Ready)
	w.want("the second", "restart 2")
	w.become(2, serve.Ready)
	w.want("the third", "restart 1")
	w.become(1, serve.Ready)
	w.want("all are", "")

	w = restarting(t, onDemandSpec(fixed(1)), 1)
	w.update(bounded(1, 1))
	w.want("the last that is ready is not taken if another may come", "launch on-demand 2")
	w.become(2, serve.Ready)
	w.want("which takes its place", "remove 1")
}

func TestWhatIsNotRestarted(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*world, *serve.Spec)
		want   string
	}{
		{"another run", func(*world, *serve.Spec) {}, "restart 2"},
		{"another machine", func(_ *world, s *serve.Spec) { s.Resources.CPUs = "4" }, "remove 2"},
		{"another port, which is a part of the address", func(_ *world, s *serve.Spec) { s.Resources.Ports = "9090" }, "remove 2"},
		{"a cloud that cannot", func(w *world, _ *serve.Spec) { w.in.Restarts = []string{"other"} }, "remove 2"},
		{"a machine that was made before shapes were noted", func(w *world, _ *serve.Spec) { w.find(2).Shape = "" }, "remove 2"},
		{"an update without bounds", func(_ *world, s *serve.Spec) { s.RollingUpdate = nil }, "launch on-demand 3, launch on-demand 4"},
		{"one revision at a time", func(_ *world, s *serve.Spec) { blueGreen(s) }, "launch on-demand 3, launch on-demand 4"},
		{"fewer are wanted", func(_ *world, s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(1) }, "restart 2, remove 1"},
		{"none is wanted", func(_ *world, s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(0) }, "remove 2, remove 1"},
		{"they are in another market than is wanted", func(_ *world, s *serve.Spec) {
			spot := true
			s.Resources.UseSpot = &spot
		}, "remove 2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := restarting(t, onDemandSpec(fixed(2)), 2)
			w.update(func(s *serve.Spec) {
				bounded(0, 1)(s)
				row.change(w, s)
			})
			w.want(row.name, row.want)
		})
	}
}

// What does not serve anyway need not wait for its turn.
func TestABrokenServiceIsRestartedAtOnce(t *testing.T) {
	t.Parallel()
	w := restarting(t, onDemandSpec(fixed(3)), 3)
	for id := range int64(3) {
		w.become(id+1, serve.NotReady)
	}
	w.update(bounded(1, 0))
	w.want("nobody serves", "restart 1, restart 2, restart 3")

	w = newWorld(t, onDemandSpec(fixed(3)))
	w.step()
	w.in.Restarts = []string{"cloud"}
	w.become(1, serve.Ready)
	w.become(2, serve.Starting)
	w.become(3, serve.Provisioning)
	w.update(bounded(1, 0))
	w.want("one serves, one has its machine and one not yet", "launch on-demand 4, restart 2")
	w.become(2, serve.Ready)
	w.become(4, serve.Ready)
	w.want("what has no machine has not been worth the wait", "remove 3")
}

func TestANewerRevisionWaitsForARestart(t *testing.T) {
	t.Parallel()
	w := restarting(t, onDemandSpec(fixed(2)), 2)
	w.update(bounded(0, 1))
	w.want("the second revision", "restart 2")
	w.update(func(s *serve.Spec) { s.Run = "best server" })
	w.want("the third waits", "")
	w.find(2).Restart = ""
	w.want("until the machine has been given the second", "restart 2")
	w.become(2, serve.Ready)
	w.want("and goes on", "restart 1")
}

// A revision that is given up leaves machines that the good one can have again.
func TestRollingBackRestartsToo(t *testing.T) {
	t.Parallel()
	w := restarting(t, onDemandSpec(fixed(3)), 3)
	good := w.in.Spec
	w.update(bounded(0, 1))
	w.in.Good = 1
	w.want("a revision", "restart 3")
	w.become(3, serve.Ready)
	w.want("goes on", "restart 2")
	w.update(func(s *serve.Spec) {
		*s = good
		s.RollingUpdate = &serve.RollingUpdate{MaxUnavailable: 1}
	})
	w.find(2).Restart = ""
	w.want("and is given up", "relabel 1, restart 2")
	w.become(2, serve.Ready)
	w.want("the rest follows", "restart 3")
}

// Restarted replicas are as good as others to show that a revision fails.
func TestFailuresOfRestartedReplicasCount(t *testing.T) {
	t.Parallel()
	w := restarting(t, onDemandSpec(fixed(3)), 3)
	w.update(func(s *serve.Spec) {
		bounded(0, 1)(s)
		s.Rollback.MaxFailures = 2
	})
	w.in.Good = 1
	w.want("the first", "restart 3")
	w.become(3, serve.Ready)
	w.want("the second", "restart 2")
	w.pass(1e9)
	w.become(3, serve.FailedProbing)
	w.step()
	w.pass(1e9)
	w.become(2, serve.Ready)
	w.become(4, serve.Ready)
	w.want("the third", "restart 1")
	w.pass(1e9)
	w.become(1, serve.FailedProbing)
	w.step()
	if w.out.Setback.Replica != 1 {
		t.Errorf("it is not given up: %+v, %+v", w.out.Setback, w.in.Memory.Failures)
	}
}
