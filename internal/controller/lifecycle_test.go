// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// faultyStore is a store that cannot save for a while.
type faultyStore struct {
	serve.Store
	mu     sync.Mutex
	left   int
	broken chan struct{}
}

func (s *faultyStore) fail(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = times
}

func (s *faultyStore) Save(ctx context.Context, state serve.State, events []serve.Event) (uint64, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left > 0 {
		if s.left--; s.left == 0 {
			close(s.broken)
		}
		return 0, 0, errors.New("the disk is full")
	}
	return s.Store.Save(ctx, state, events)
}

// fixedSpec is n on-demand replicas.
func fixedSpec(n int) serve.Spec {
	spec := dynamicSpec()
	spec.ReplicaPolicy = serve.FixedReplicas(n)
	spec.Resources.UseSpot = nil
	return spec
}

func TestFailures(t *testing.T) {
	t.Run("a run that ends in failure is not tried again and again", func(t *testing.T) {
		cloud := newCloud(t)
		cloud.OnProbe(func(serve.Ref) bool { return false })
		r := start(t, cloud, servetest.NewStore())
		uid := r.apply(fixedSpec(1)).UID
		r.await("STARTING", func(s serve.Service) bool { return s.Counts.Total == 1 && all(s, serve.Starting) })
		cloud.Tell(serve.Notice{Kind: serve.NoticeExited, ExitCode: 3, Ref: serve.Ref{Service: "web", UID: uid, Replica: 1}})
		s := r.await("FAILED", func(s serve.Service) bool { return s.Status == serve.Failed })
		if s.Replicas[0].Status() != serve.Failed || s.Counts != (serve.Counts{Failed: 1}) {
			t.Errorf("after a failure:\n%s", table(s))
		}
		if !strings.Contains(s.Failure, "exit code 3") {
			t.Errorf("the failure %q does not mention the exit code", s.Failure)
		}
		log, err := r.Logs(t.Context(), 1, serve.LogOptions{Tail: 1})
		if err != nil {
			t.Fatalf("the log of a failed replica: %v", err)
		}
		defer log.Close()
		if text, err := io.ReadAll(log); string(text) != "replica 1 says hello\n" {
			t.Errorf("the log of a failed replica is %q, %v", text, err)
		}
		// An update lifts the block.
		cloud.OnProbe(func(serve.Ref) bool { return true })
		spec := fixedSpec(1)
		spec.Run = "python3 better.py"
		r.apply(spec)
		s = r.await("revision 2", settled(2))
		if s.Revision != 2 || s.Failure != "" || len(s.Replicas) != 1 {
			t.Errorf("after the update: %+v\n%s", s, table(s))
		}
	})
	t.Run("a replica that is never ready in time fails", func(t *testing.T) {
		cloud := newCloud(t)
		cloud.OnProbe(func(serve.Ref) bool { return false })
		spec := fixedSpec(1)
		spec.ReadinessProbe.InitialDelaySeconds = 0.05
		r := start(t, cloud, servetest.NewStore())
		r.apply(spec)
		s := r.await("FAILED", func(s serve.Service) bool { return s.Status == serve.Failed })
		if s.Replicas[0].Status() != serve.FailedInitialDelay {
			t.Errorf("it is\n%s", table(s))
		}
	})
	t.Run("a replica that was ready and fails for too long is replaced", func(t *testing.T) {
		cloud := newCloud(t)
		r := start(t, cloud, servetest.NewStore())
		spec := fixedSpec(1)
		spec.ReadinessProbe.ConsecutiveFailureThresholdTimeout = 0.05
		r.apply(spec)
		r.await("1/1", settled(1))
		cloud.OnProbe(func(ref serve.Ref) bool { return ref.Replica > 1 })
		s := r.await("replaced", settled(2))
		if !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.ID == 1 && r.Status() == serve.FailedProbing }) {
			t.Errorf("there is no record of the failure:\n%s", table(s))
		}
		if err := r.TerminateReplica(t.Context(), 1, false); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("ending a failed replica without purge: %v", err)
		}
		if err := r.TerminateReplica(t.Context(), 1, true); err != nil {
			t.Errorf("purging a failed replica: %v", err)
		}
		r.await("the record gone", func(s serve.Service) bool { return len(s.Replicas) == 1 })
	})
	t.Run("a replica whose probe fails once is NOT_READY and comes back", func(t *testing.T) {
		cloud := newCloud(t)
		r := start(t, cloud, servetest.NewStore(), impatient)
		r.apply(fixedSpec(1))
		r.await("1/1", settled(1))
		cloud.OnProbe(func(serve.Ref) bool { return false })
		r.await("NOT_READY", func(s serve.Service) bool { return all(s, serve.NotReady) })
		if body, err := r.get(); err == nil {
			t.Errorf("a replica that is not ready was asked, and answered %q", body)
		}
		cloud.OnProbe(func(serve.Ref) bool { return true })
		r.await("READY", settled(1))
	})
	t.Run("a launch that fails for no clear reason is tried again", func(t *testing.T) {
		cloud := newCloud(t)
		failures := 1
		cloud.OnCall(func(_ context.Context, operation string, _ serve.Ref) error {
			if operation == "launched" && failures > 0 { // the machine is half made
				failures--
				return errors.New("the line went dead")
			}
			return nil
		})
		r := start(t, cloud, servetest.NewStore())
		r.apply(fixedSpec(1))
		r.await("1/1", settled(1))
		if calls := cloud.Calls(); !slices.Contains(calls, "terminate 1") {
			t.Errorf("what was half made was not cleared away: %v", calls)
		}
	})
	t.Run("resources that nothing on offer fits are a failure at once, and of the new revision only", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		r.apply(fixedSpec(1))
		r.await("1/1", settled(1))
		spec := fixedSpec(1)
		spec.Resources.Region, spec.Resources.CPUs, spec.Rollback.Enabled = "north", "64", false
		r.apply(spec)
		s := r.await("a failure", func(s serve.Service) bool { return s.Failure != "" })
		if s.Status != serve.Ready || !strings.Contains(s.Failure, "infra = */north, cpus = 64") {
			t.Errorf("the service is %s: %s", s.Status, s.Failure)
		}
		r.apply(fixedSpec(1))
		r.await("as before", func(s serve.Service) bool { return settled(1)(s) && s.Failure == "" })
	})
	t.Run("a server that leaves is told of along with its probes", func(t *testing.T) {
		cloud := newCloud(t)
		cloud.OnProbe(func(serve.Ref) bool { return false })
		r := start(t, cloud, servetest.NewStore())
		uid := r.apply(fixedSpec(1)).UID
		r.await("STARTING", func(s serve.Service) bool { return s.Counts.Total == 1 && all(s, serve.Starting) })
		cloud.Tell(serve.Notice{Kind: serve.NoticeExited, Ref: serve.Ref{Service: "web", UID: uid, Replica: 1}})
		r.await("both told", func(s serve.Service) bool {
			return strings.Contains(s.Replicas[0].Message, "run ended with exit code 0") && strings.Contains(s.Replicas[0].Message, "503")
		})
	})
	t.Run("a launch that can never succeed fails for good", func(t *testing.T) {
		cloud := newCloud(t)
		cloud.OnCall(func(_ context.Context, operation string, _ serve.Ref) error {
			if operation == "launch" {
				return serve.ErrInvalid
			}
			return nil
		})
		r := start(t, cloud, servetest.NewStore())
		r.apply(fixedSpec(1))
		s := r.await("FAILED", func(s serve.Service) bool { return s.Status == serve.Failed })
		if !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.Status() == serve.FailedProvision }) {
			t.Errorf("it is\n%s", table(s))
		}
	})
	t.Run("a machine that cannot be ended is shown, and tried again", func(t *testing.T) {
		cloud := newCloud(t)
		r := start(t, cloud, servetest.NewStore())
		r.apply(fixedSpec(1))
		r.await("1/1", settled(1))
		cloud.OnCall(func(_ context.Context, operation string, ref serve.Ref) error {
			if operation == "terminate" && ref.Replica == 1 {
				return errors.New("the cloud is having a day")
			}
			return nil
		})
		if err := r.TerminateReplica(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		s := r.await("the trouble shown", func(s serve.Service) bool {
			return strings.Contains(s.Replicas[0].Message, "having a day")
		})
		if s.Replicas[0].Status() != serve.ShuttingDown {
			t.Errorf("it is\n%s", table(s))
		}
		if err := r.TerminateReplica(t.Context(), 1, false); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("ending a replica that is being ended: %v", err)
		}
		if err := r.TerminateReplica(t.Context(), 99, false); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("ending a replica that is not there: %v", err)
		}
	})
}

func TestUpdate(t *testing.T) {
	t.Run("rolls to the new revision without a moment when nothing is ready", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		r.apply(fixedSpec(2))
		r.await("2/2", settled(1, 2))
		spec := fixedSpec(2)
		spec.Envs = map[string]string{"MODEL": "new"}
		if s := r.apply(spec); s.Revision != 2 {
			t.Errorf("the update made revision %d", s.Revision)
		}
		r.await("the new replicas alone", func(s serve.Service) bool {
			if s.Counts.Ready < 2 {
				t.Errorf("during the update %d replicas were ready\n%s", s.Counts.Ready, table(s))
			}
			return settled(3, 4)(s) && slices.Equal(s.ActiveRevisions, []int64{2})
		})
	})
	t.Run("keeps replicas that run what the new revision runs", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		r.apply(fixedSpec(2))
		r.await("2/2", settled(1, 2))
		r.apply(fixedSpec(3))
		s := r.await("3/3", settled(1, 2, 3))
		if !slices.Equal(s.ActiveRevisions, []int64{2}) {
			t.Errorf("serving are the revisions %v", s.ActiveRevisions)
		}
		r.apply(fixedSpec(2))
		r.await("2/2", settled(1, 2))
	})
	t.Run("changes nothing when the spec is the same, also after a restart", func(t *testing.T) {
		cloud, store := newCloud(t), servetest.NewStore()
		r := start(t, cloud, store)
		spec := fixedSpec(1)
		spec.Envs, spec.Secrets = map[string]string{}, map[string]string{"TOKEN": "s3cret"}
		r.apply(spec)
		r.await("1/1", settled(1))
		r.crash()
		r = start(t, cloud, store)
		r.await("1/1", settled(1))
		if s := r.apply(spec); s.Revision != 1 {
			t.Errorf("the same spec made revision %d", s.Revision)
		}
		spec.Secrets = nil
		if s, err := r.Apply(t.Context(), spec, serve.ApplyOptions{KeepSecrets: true}); err != nil || s.Revision != 1 {
			t.Errorf("with the secrets kept it made revision %d, %v", s.Revision, err)
		}
		if s := r.apply(spec); s.Revision != 2 {
			t.Errorf("without the secrets it made revision %d", s.Revision)
		}
	})
	t.Run("is not taken for a service that must be new", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		mustBeNew := serve.ApplyOptions{MustBeNew: true}
		if _, err := r.Apply(t.Context(), fixedSpec(1), mustBeNew); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Apply(t.Context(), fixedSpec(2), mustBeNew); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("a second creation gives %v", err)
		}
		r.await("the first one alone", settled(1))
	})
	t.Run("shows no secret", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		spec := fixedSpec(1)
		spec.Secrets = map[string]string{"TOKEN": "s3cret"}
		if s := r.apply(spec); s.Spec.Secrets["TOKEN"] != "" {
			t.Errorf("the service shows %q", s.Spec.Secrets["TOKEN"])
		}
	})
	t.Run("refuses a spec with mistakes and names them", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		spec := fixedSpec(1)
		spec.ReadinessProbe.Path, spec.Run = "health", ""
		_, err := r.Apply(t.Context(), spec, serve.ApplyOptions{})
		fields, ok := errors.AsType[serve.FieldErrors](err)
		if !ok || len(fields) != 2 {
			t.Errorf("applying gives %v", err)
		}
		if _, err := r.Service(t.Context()); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("a refused spec made a service: %v", err)
		}
	})
}

func TestNext(t *testing.T) {
	gone := time.Now().Add(-time.Hour)
	for _, row := range []struct {
		name    string
		replica serve.Replica
		drained bool
		want    step
	}{
		{"a new record is launched", serve.Replica{Launch: serve.LaunchPending}, false, launching},
		{"a launch a crash cut off is repeated", serve.Replica{Launch: serve.LaunchRunning}, false, launching},
		{"a waiting replica waits for policy", serve.Replica{Launch: serve.LaunchWaiting}, false, idle},
		{"a running replica is left alone", serve.Replica{Launch: serve.LaunchSucceeded}, false, idle},
		{"a replica to be ended drains first", serve.Replica{Launch: serve.LaunchSucceeded, Teardown: serve.TeardownScheduled}, false, draining},
		{"and is ended when it is drained", serve.Replica{Launch: serve.LaunchSucceeded, Teardown: serve.TeardownScheduled}, true, terminating},
		{"a launch to be called off is ended too", serve.Replica{Launch: serve.LaunchRunning, Teardown: serve.TeardownScheduled}, true, terminating},
		{"a teardown a crash cut off is repeated", serve.Replica{Teardown: serve.TeardownRunning}, false, terminating},
		{"a failed teardown is tried again", serve.Replica{Teardown: serve.TeardownFailed}, false, terminating},
		{"a failure record rests", serve.Replica{Teardown: serve.TeardownSucceeded, Cause: serve.CauseProbing, EndedAt: gone}, true, idle},
		{"a launch given up waits for its teardown", serve.Replica{Launch: serve.LaunchFailed}, false, idle},
	} {
		if got := next(row.replica, row.drained); got != row.want {
			t.Errorf("%s: it is %q, not %q", row.name, got, row.want)
		}
	}
}

// With blue-green no client ever hears of two revisions at a time.
func TestBlueGreenUpdateChangesOverAtOnce(t *testing.T) {
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore())
	spec := fixedSpec(2)
	spec.UpdateMode, spec.LoadBalancingPolicy = serve.BlueGreen, serve.RoundRobin
	r.apply(spec)
	r.await("2/2", settled(1, 2))
	answers := func() string {
		seen := map[string]bool{}
		for range 4 {
			body, err := r.get()
			if err != nil {
				t.Fatal(err)
			}
			seen[body] = true
		}
		return strings.Join(slices.Sorted(maps.Keys(seen)), " ")
	}
	mayServe := make(chan struct{})
	cloud.OnProbe(func(ref serve.Ref) bool {
		if ref.Replica != 4 {
			return true
		}
		select {
		case <-mayServe:
			return true
		default:
			return false
		}
	})
	spec.Run = "python3 better_server.py"
	r.apply(spec)
	s := r.await("half of the new revision ready", func(s serve.Service) bool { return s.Counts.Ready == 3 })
	if got := answers(); got != "1 2" || !slices.Equal(s.ActiveRevisions, []int64{1}) {
		t.Errorf("while the new revision is half there, %s answer, and revisions %v are said to serve", got, s.ActiveRevisions)
	}
	close(mayServe)
	s = r.await("the new revision alone", settled(3, 4))
	if got := answers(); got != "3 4" || !slices.Equal(s.ActiveRevisions, []int64{2}) {
		t.Errorf("afterwards %s answer, and revisions %v are said to serve", got, s.ActiveRevisions)
	}
}
