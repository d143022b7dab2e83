// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// restarting has a controller use the cloud as one whose machines can be given
// another task.
func restartingOn(cloud *servetest.Scripted) func(*Controller) {
	return func(c *Controller) { c.o.Clouds = []serve.Cloud{servetest.Restarting{Scripted: cloud}} }
}

// inPlace is a service of n replicas of which one may be missing.
func inPlace(n int, run string) serve.Spec {
	spec := fixedSpec(n)
	spec.Run, spec.RollingUpdate = run, &serve.RollingUpdate{MaxUnavailable: 1}
	return spec
}

// of says that exactly the replicas with these ids are ready, all of a revision.
func of(revision int64, ids ...int64) func(serve.Service) bool {
	return func(s serve.Service) bool {
		return settled(ids...)(s) && !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.Revision != revision && r.Teardown == "" })
	}
}

// runs fails the test unless the machines are these, all of a revision.
func (r *rig) runs(revision int64, ids ...int64) {
	r.t.Helper()
	var found []int64
	for _, m := range r.cloud.Machines() {
		if found = append(found, m.Ref.Replica); m.Revision != revision {
			r.t.Errorf("the machine of replica %d has revision %d, want %d", m.Ref.Replica, m.Revision, revision)
		}
	}
	if !slices.Equal(found, ids) {
		r.t.Errorf("the machines are those of %v, want %v", found, ids)
	}
}

func TestARestartIsDrainedFirst(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore(), restartingOn(cloud))
	r.apply(inPlace(1, "one"))
	r.await("1/1", settled(1))
	got, let := r.hang()
	r.apply(inPlace(1, "two"))
	r.await("the replica out of the way", func(s serve.Service) bool {
		return s.Counts.Ready == 0 && s.Replicas[0].Restart == serve.RestartScheduled && s.Replicas[0].Status() == serve.Starting &&
			strings.Contains(s.Replicas[0].Message, "requests under way")
	})
	if slices.Contains(cloud.Calls(), "restart 1") {
		t.Error("it is restarted under a request")
	}
	let()
	if a := <-got; a.err != nil || a.body != "1" {
		t.Errorf("the request is answered %q, %v", a.body, a.err)
	}
	s := r.await("the second revision", of(2, 1))
	r.runs(2, 1)
	if one := s.Replicas[0]; one.Restart != "" || one.Message != "" || one.RestartedAt.IsZero() || one.LaunchedAt.After(one.RestartedAt) {
		t.Errorf("the replica is %+v", one)
	}
	if restarts := r.decisions(serve.Restart); len(restarts) != 1 || len(r.decisions(serve.Launch)) != 1 {
		t.Errorf("decisions are %+v", restarts)
	}
}

// dying is a store whose owner dies in the middle of a save: it is not stored, nor
// is any after it.
type dying struct {
	serve.Store
	left atomic.Int64
	dead chan struct{}
}

func (d *dying) Save(ctx context.Context, s serve.State, events []serve.Event) (uint64, int64, error) {
	if left := d.left.Add(-1); left < 0 {
		if left == -1 {
			close(d.dead)
		}
		return 0, 0, errors.New("it is dead")
	}
	return d.Store.Save(ctx, s, events)
}

// Whenever a controller dies, the next one brings the update to the same end, on
// the same machines.
func TestARestartSurvivesADeathAtAnyInstant(t *testing.T) {
	t.Parallel()
	for saves := range int64(100) {
		cloud := newCloud(t)
		store := &dying{Store: servetest.NewStore(), dead: make(chan struct{})}
		store.left.Store(1 << 40)
		r := start(t, cloud, store, restartingOn(cloud))
		r.apply(inPlace(2, "one"))
		r.await("2/2", settled(1, 2))
		r.apply(inPlace(2, "two"))
		store.left.Store(saves)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		finished := make(chan error, 1)
		watched := r // there is another one later
		go func() { finished <- watched.Watch(ctx, func(s serve.Service) bool { return !of(2, 1, 2)(s) }) }()
		var err error
		survived := false
		select {
		case <-store.dead:
		case err = <-finished:
			survived = true
		}
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		r.crash()
		r = start(t, cloud, store.Store, restartingOn(cloud))
		r.await(fmt.Sprintf("the second revision after a death at save %d", saves), of(2, 1, 2))
		r.runs(2, 1, 2)
		r.crash()
		if survived {
			if saves < 4 {
				t.Errorf("an update takes %d saves", saves)
			}
			return
		}
	}
	t.Error("an update takes more than a hundred saves")
}

func TestARestartThatIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"restart", "restarted"} {
		for _, row := range []struct {
			name string
			then func(r *rig, uid string)
			want func(serve.Service) bool
			runs []int64
		}{
			{"by the death of the controller", func(r *rig, _ string) { r.crash() }, of(2, 1, 2), []int64{1, 2}},
			{"by the loss of the machine", func(r *rig, _ string) { r.cloud.Take(2) }, of(2, 1, 3), []int64{1, 3}},
			{"by a notice", func(r *rig, uid string) {
				r.cloud.Tell(serve.Notice{Kind: serve.NoticeInterruption, Deadline: time.Now().Add(time.Millisecond), Ref: serve.Ref{Service: "web", UID: uid, Replica: 2}})
			}, of(2, 1, 3), []int64{1, 3}},
			{"by a person", func(r *rig, _ string) {
				if err := r.TerminateReplica(context.Background(), 2, false); err != nil {
					r.t.Error(err)
				}
			}, of(2, 1, 3), []int64{1, 3}},
		} {
			t.Run(at+" "+row.name, func(t *testing.T) {
				t.Parallel()
				cloud, store := newCloud(t), servetest.NewStore()
				r := start(t, cloud, store, restartingOn(cloud))
				uid := r.apply(inPlace(2, "one")).UID
				r.await("2/2", settled(1, 2))
				cloud.OnCall(func(ctx context.Context, operation string, _ serve.Ref) error {
					if operation == at {
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				})
				r.apply(inPlace(2, "two"))
				cloud.Await(t, at+" 2")
				row.then(r, uid)
				cloud.OnCall(nil)
				if strings.HasSuffix(row.name, "controller") {
					r = start(t, cloud, store, restartingOn(cloud))
				}
				r.await("the end of the update", row.want)
				r.runs(2, row.runs...)
			})
		}
	}
}

func TestARestartThatFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		err     error
		always  bool
		want    func(serve.Service) bool
		because string
	}{
		{"once is tried again", errors.New("a bad day"), false, of(2, 1, 2), ""},
		{"for good is the end of the replica", serve.ErrInvalid, true, of(2, 2), "could not be restarted"},
		{"on a machine that is gone is a loss", serve.ErrNotFound, true, of(2, 2), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t)
			r := start(t, cloud, servetest.NewStore(), restartingOn(cloud))
			n := 1
			if !row.always {
				n = 2
			}
			spec := inPlace(n, "one")
			spec.Rollback.Enabled = false
			r.apply(spec)
			r.await("all ready", func(s serve.Service) bool { return s.Counts.Ready == n })
			var failed atomic.Bool
			cloud.OnCall(func(_ context.Context, operation string, _ serve.Ref) error {
				if operation == "restart" && (!failed.Swap(true) || row.always) {
					return row.err
				}
				return nil
			})
			spec.Run = "two"
			r.apply(spec)
			s := r.await("the end of the update", row.want)
			if row.because != "" && !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return strings.Contains(r.Message, row.because) }) {
				t.Errorf("nothing says why:\n%s", table(s))
			}
			for _, m := range cloud.Machines() {
				if m.Revision != 2 {
					t.Errorf("a machine has revision %d", m.Revision)
				}
			}
		})
	}
}

// What an old program says when it ends is not said of the new one.
func TestTheEndOfTheOldProgramIsNoNews(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore(), restartingOn(cloud))
	uid := r.apply(inPlace(1, "one")).UID
	r.await("1/1", settled(1))
	exited := serve.Notice{Kind: serve.NoticeExited, Ref: serve.Ref{Service: "web", UID: uid, Replica: 1}, ExitCode: 143, Revision: 1}
	cloud.OnCall(func(_ context.Context, operation string, _ serve.Ref) error {
		if operation == "restart" {
			cloud.Tell(exited)
		}
		return nil
	})
	r.apply(inPlace(1, "two"))
	r.await("the second revision", of(2, 1))
	cloud.Tell(exited)
	exited.Revision, exited.ExitCode = 2, 0
	cloud.Tell(exited)
	r.await("word of the new program", func(s serve.Service) bool { return s.Replicas[0].Exited != "" })
	r.await("it is ready all the same", of(2, 1))
}

// A revision that fails before it has proven itself is given up on the machines
// that it was given.
func TestRollingBackInPlace(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore(), restartingOn(cloud))
	spec := inPlace(3, "one")
	r.apply(spec)
	r.await("a good revision", func(s serve.Service) bool { return settled(1, 2, 3)(s) && s.Good == 1 })
	spec.Run, spec.Rollback.BakeSeconds, spec.Rollback.MaxFailures = "two", 3600, 1
	spec.ReadinessProbe.ConsecutiveFailureThresholdTimeout = 0.02
	r.apply(spec)
	r.await("the second revision", of(2, 1, 2, 3))
	cloud.OnProbe(func(ref serve.Ref) bool {
		return !slices.ContainsFunc(cloud.Machines(), func(i serve.Instance) bool {
			return i.Ref == ref && ref.Replica == 2 && i.Revision == 2
		})
	})
	s := r.await("the third revision", func(s serve.Service) bool { return s.Revision == 3 && s.Counts.Ready == 3 && s.Counts.Total == 3 })
	if s.RolledBack == nil || s.RolledBack.Good != 1 || s.Spec.Run != "one" {
		t.Errorf("it was not given up: %+v", s.RolledBack)
	}
	r.await("all of it", of(3, 1, 3, 4))
	r.runs(3, 1, 3, 4)
}
