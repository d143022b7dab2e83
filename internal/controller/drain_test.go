// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// answer is what a request got.
type answer struct {
	body string
	err  error
}

// hang makes replicas keep requests until the test says so, and sends one that
// is under way when hang returns.
func (r *rig) hang() (got <-chan answer, let func()) {
	r.t.Helper()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	r.cloud.OnRequest(func(serve.Ref) {
		arrived <- struct{}{}
		<-release
	})
	answers := make(chan answer, 1)
	go func() {
		body, err := r.get()
		answers <- answer{body, err}
	}()
	<-arrived
	r.cloud.OnRequest(nil)
	return answers, func() { close(release) }
}

// interrupt warns that replica 1 will be taken.
func (r *rig) interrupt(uid string, deadline time.Time) {
	r.cloud.Tell(serve.Notice{Kind: serve.NoticeInterruption, Deadline: deadline,
		Ref: serve.Ref{Service: "web", UID: uid, Replica: 1}})
}

func TestAMachineThatMayBeTakenGoesOnAndTheNextIsElsewhere(t *testing.T) {
	t.Parallel()
	r := start(t, newCloud(t), servetest.NewStore())
	spec := dynamicSpec()
	spec.ReplicaPolicy.DynamicOndemandFallback = false
	uid := r.apply(spec).UID
	doubted := r.await("two replicas", settled(1, 2)).Replicas[0].Offer.Location
	r.cloud.Tell(serve.Notice{Kind: serve.NoticeRisk, Detail: "rebalance", Ref: serve.Ref{Service: "web", UID: uid, Replica: 1}})
	spec.ReplicaPolicy.MinReplicas = 3
	r.apply(spec)
	for _, replica := range r.await("three replicas", settled(1, 2, 3)).Replicas[1:] {
		if replica.Offer.Location == doubted {
			t.Errorf("replica %d is in %s, too", replica.ID, doubted)
		}
	}
	if !slices.ContainsFunc(r.history(), func(e serve.Event) bool {
		return e.Kind == serve.EventNotice && strings.Contains(e.Message, "may be taken: rebalance")
	}) {
		t.Error("the warning is not in the history")
	}
}

func TestDrain(t *testing.T) {
	t.Run("a request under way is finished before its machine is ended", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		r.apply(fixedSpec(1))
		r.await("1/1", settled(1))
		got, let := r.hang()
		if err := r.TerminateReplica(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		r.await("its replacement ready beside it", func(s serve.Service) bool {
			return s.Counts.Ready == 1 && s.Replicas[0].Status() == serve.ShuttingDown
		})
		if body, err := r.get(); err != nil || body != "2" {
			t.Errorf("meanwhile a new request is answered %q, %v", body, err)
		}
		if slices.Contains(r.cloud.Calls(), "terminate 1") {
			t.Error("the machine is ended while a request is under way")
		}
		if err := r.TerminateReplica(t.Context(), 1, true); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("ending a replica that drains: %v", err)
		}
		let()
		if a := <-got; a.err != nil || a.body != "1" {
			t.Errorf("the request is answered %q, %v", a.body, a.err)
		}
		r.await("replica 1 gone", settled(2))
	})
	t.Run("a request that takes too long is cut off", func(t *testing.T) {
		r := start(t, newCloud(t), servetest.NewStore())
		spec := fixedSpec(1)
		spec.LoadBalancer.DrainTimeoutSeconds = 0.001
		r.apply(spec)
		r.await("1/1", settled(1))
		got, let := r.hang()
		defer let()
		if err := r.TerminateReplica(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		r.await("replica 1 gone", settled(2))
		// It is a GET, so that it may have been asked again of replica 2.
		if a := <-got; a.err == nil && a.body != "2" {
			t.Errorf("the request is answered %q", a.body)
		}
	})
	t.Run("a replica under notice serves until its deadline and no longer", func(t *testing.T) {
		cloud := newCloud(t)
		r := start(t, cloud, servetest.NewStore(), impatient)
		uid := r.apply(fixedSpec(1)).UID
		r.await("1/1", settled(1))
		got, let := r.hang()
		defer let()
		mayBoot := make(chan struct{})
		cloud.OnCall(func(_ context.Context, operation string, _ serve.Ref) error {
			if operation == "launched" {
				<-mayBoot
			}
			return nil
		})
		r.interrupt(uid, time.Now().Add(50*time.Millisecond))
		cloud.Await(t, "terminate 1")
		if a := <-got; a.err == nil {
			t.Errorf("the request is answered %q", a.body)
		}
		close(mayBoot)
		r.await("the replacement", settled(2))
	})
	t.Run("a deleted service does not wait for the deadline of a notice", func(t *testing.T) {
		cloud := newCloud(t)
		r := start(t, cloud, servetest.NewStore())
		uid := r.apply(fixedSpec(1)).UID
		r.await("1/1", settled(1))
		cloud.OnCall(func(ctx context.Context, operation string, _ serve.Ref) error {
			if operation == "launched" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		r.interrupt(uid, time.Now().Add(time.Hour))
		r.await("PREEMPTED", func(s serve.Service) bool { return s.Replicas[0].Status() == serve.Preempted })
		if err := r.Delete(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.awaitGone()
	})
}

// awaitGone waits until the service is deleted.
func (r *rig) awaitGone() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := r.Watch(ctx, func(serve.Service) bool { return true }); !errors.Is(err, serve.ErrNotFound) {
		r.t.Fatalf("waiting for the end of the service: %v", err)
	}
	if left := r.cloud.Machines(); len(left) > 0 {
		r.t.Errorf("left are %v", left)
	}
}

// A controller that stops gives the requests under way a moment, and has no
// goroutine left when Run returns.
func TestStopFinishesRequests(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(fixedSpec(1))
	r.await("1/1", settled(1))
	got, let := r.hang()
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	// The endpoint is closed first, which shows that stopping has begun.
	for {
		if _, err := r.get(); err != nil {
			break
		}
	}
	select {
	case err := <-stopped:
		t.Errorf("Run returned with a request under way: %v", err)
	default:
	}
	let()
	if a := <-got; a.err != nil || a.body != "1" {
		t.Errorf("the request is answered %q, %v", a.body, a.err)
	}
}

// A service scaled to zero holds requests; one that was deleted has nothing to
// hold them for.
func TestDeletedServiceHoldsNothing(t *testing.T) {
	spec := dynamicSpec()
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 0, 1
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(spec)
	if body, err := r.get(); err != nil || body == "" {
		t.Fatalf("the request that woke the service is answered %q, %v", body, err)
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.awaitGone()
	got := make(chan answer, 1)
	go func() {
		body, err := r.get()
		got <- answer{body, err}
	}()
	select {
	case a := <-got:
		if a.err == nil || !strings.Contains(a.err.Error(), "503") {
			t.Errorf("a deleted service answers %q, %v", a.body, a.err)
		}
	case <-time.After(5 * time.Second):
		t.Error("a request to a deleted service is held")
	}
}
