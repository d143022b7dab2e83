// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// oddCloud is a cloud that does some things in a way of its own.
type oddCloud struct {
	*servetest.Scripted
	launch func(serve.Instance) serve.Instance
	list   func(context.Context, []serve.Instance)
	logs   func(serve.LogOptions) (io.ReadCloser, error)
}

func (c *oddCloud) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	instance, err := c.Scripted.Launch(ctx, req)
	if c.launch != nil {
		instance = c.launch(instance)
	}
	return instance, err
}

func (c *oddCloud) List(ctx context.Context, service string) ([]serve.Instance, error) {
	instances, err := c.Scripted.List(ctx, service)
	if c.list != nil {
		c.list(ctx, instances)
	}
	return instances, err
}

func (c *oddCloud) Logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	if c.logs != nil {
		return c.logs(opt)
	}
	return c.Scripted.Logs(ctx, ref, opt)
}

// on makes a controller use the cloud.
func (c *oddCloud) on(controller *Controller) { controller.o.Clouds = []serve.Cloud{c} }

// A list of machines says nothing of one that came up after it was asked for,
// whatever the clock of the cloud says about when that was.
func TestListOlderThanMachine(t *testing.T) {
	cloud := newCloud(t)
	asked, answer := make(chan int, 8), make(chan struct{})
	odd := &oddCloud{Scripted: cloud,
		launch: func(i serve.Instance) serve.Instance {
			i.LaunchedAt = i.LaunchedAt.Add(-time.Hour)
			return i
		},
		list: func(ctx context.Context, list []serve.Instance) {
			asked <- len(list)
			select {
			case <-answer:
			case <-ctx.Done():
			}
		}}
	r := start(t, cloud, servetest.NewStore(), odd.on)
	r.apply(fixedSpec(1))
	answer <- struct{}{} // taking stock for the new service
	<-asked
	r.await("1/1", settled(1))
	// A failed probe makes the controller ask what there is; while the cloud takes
	// its time, another replica comes up.
	cloud.OnProbe(func(ref serve.Ref) bool { return ref.Replica != 1 })
	if n := <-asked; n != 1 {
		t.Fatalf("the cloud lists %d machines", n)
	}
	r.apply(fixedSpec(2))
	r.await("replica 2 READY", func(s serve.Service) bool {
		return len(s.Replicas) == 2 && s.Replicas[1].Status() == serve.Ready
	})
	answer <- struct{}{}
	cloud.OnProbe(func(serve.Ref) bool { return true })
	r.await("2/2", settled(1, 2))
}

// A log that cannot be read to its end must not keep a machine alive.
func TestLogThatNeverEnds(t *testing.T) {
	reader, writer := io.Pipe()
	defer writer.Close()
	odd := &oddCloud{Scripted: newCloud(t), logs: func(opt serve.LogOptions) (io.ReadCloser, error) {
		if opt.Tail != archivedLines {
			t.Errorf("it is asked for its last %d lines", opt.Tail)
		}
		return reader, nil
	}}
	r := start(t, odd.Scripted, servetest.NewStore(), odd.on, func(c *Controller) { c.pace.log = time.Millisecond })
	r.apply(fixedSpec(1))
	r.await("1/1", settled(1))
	if err := r.TerminateReplica(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	r.await("replaced", settled(2))
}

// Not found is said only of what does not exist for certain.
func TestLogOfUnreachableMachine(t *testing.T) {
	odd := &oddCloud{Scripted: newCloud(t), logs: func(serve.LogOptions) (io.ReadCloser, error) {
		return nil, fmt.Errorf("asking the machine: %w", serve.ErrUnreachable)
	}}
	r := start(t, odd.Scripted, servetest.NewStore(), odd.on)
	r.apply(fixedSpec(1))
	r.await("1/1", settled(1))
	if _, err := r.Logs(t.Context(), 1, serve.LogOptions{}); !errors.Is(err, serve.ErrUnreachable) || errors.Is(err, serve.ErrNotFound) {
		t.Errorf("its log gives %v", err)
	}
}

// A machine that would not be ended is shown as what it is, and its record goes
// when it has gone.
func TestFailedCleanup(t *testing.T) {
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore(), func(c *Controller) { c.pace.reteardown = time.Millisecond })
	r.apply(fixedSpec(1))
	r.await("1/1", settled(1))
	var mu sync.Mutex
	broken := true
	cloud.OnCall(func(_ context.Context, operation string, ref serve.Ref) error {
		mu.Lock()
		defer mu.Unlock()
		if broken && operation == "terminate" && ref.Replica == 1 {
			return errors.New("the cloud is having a day")
		}
		return nil
	})
	if err := r.TerminateReplica(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	s := r.await("FAILED_CLEANUP beside its replacement", func(s serve.Service) bool {
		return s.Replicas[0].Status() == serve.FailedCleanup && s.Counts.Ready == 1
	})
	if s.Counts != (serve.Counts{Ready: 1, Total: 1, OnDemand: 1, Failed: 1}) || s.CostPerHour != 0.2 {
		t.Errorf("it counts %+v and costs %v", s.Counts, s.CostPerHour)
	}
	if err := r.TerminateReplica(t.Context(), 1, true); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("forgetting a machine that may cost money: %v", err)
	}
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = r.await("the deletion stuck", func(s serve.Service) bool { return len(s.Replicas) == 1 })
	if s.Status != serve.FailedCleanup || !strings.Contains(s.Message, "having a day") {
		t.Errorf("a deletion that is stuck is shown as %s: %s", s.Status, s.Message)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	r.awaitGone()
}

// A caller who gives up may do so while the loop is at work for it.
func TestApplyGivenUp(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(fixedSpec(1))
	for range 500 { // who is first is a matter of chance; the race detector looks on
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if s, err := r.Apply(ctx, fixedSpec(1), serve.ApplyOptions{}); err == nil && s.Name != "web" || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it gives %q, %v", s.Name, err)
		}
	}
	r.await("READY", func(s serve.Service) bool { return s.Counts.Ready > 0 })
}

// The restart of a healthy service is one line of history, not one for each
// replica.
func TestHistoryOfRestart(t *testing.T) {
	cloud, store := newCloud(t), servetest.NewStore()
	r := start(t, cloud, store)
	r.apply(fixedSpec(2))
	r.await("2/2", settled(1, 2))
	r.crash()
	r = start(t, cloud, store)
	before := len(r.history())
	s := r.await("READY", func(s serve.Service) bool { return s.Status == serve.Ready })
	if s.Target != 2 {
		t.Errorf("the target is %d", s.Target)
	}
	for _, e := range r.history()[before:] {
		if e.Kind == serve.EventStatus {
			t.Errorf("the restart is told as: %s", e.Message)
		}
	}
}

// Launches take a slot each and teardowns half of one (reference, case C14).
func TestSlots(t *testing.T) {
	cloud := newCloud(t)
	var mu sync.Mutex
	mayBoot := make(chan struct{})
	mayEnd := make(chan struct{})
	cloud.OnCall(func(_ context.Context, operation string, ref serve.Ref) error {
		mu.Lock()
		boot, end := mayBoot, mayEnd
		mu.Unlock()
		switch operation {
		case "launched":
			<-boot
		case "terminate":
			<-end
		}
		return nil
	})
	r := start(t, cloud, servetest.NewStore(), func(c *Controller) { c.o.Launches = 4 })
	r.apply(fixedSpec(5))
	s := r.await("all slots taken", func(s serve.Service) bool {
		return s.Counts.Total == 5 && s.Replicas[3].Status() == serve.Provisioning
	})
	if s.Replicas[4].Status() != serve.Pending {
		t.Errorf("the fifth of four is\n%s", table(s))
	}
	close(mayBoot)
	r.await("5/5", settled(1, 2, 3, 4, 5))
	// Two teardowns leave room for three launches.
	mu.Lock()
	mayBoot = make(chan struct{})
	mu.Unlock()
	for id := range int64(2) {
		if err := r.TerminateReplica(t.Context(), id+1, false); err != nil {
			t.Fatal(err)
		}
		cloud.Await(t, fmt.Sprintf("terminate %d", id+1))
	}
	spec := fixedSpec(7)
	r.apply(spec)
	s = r.await("four wanted", func(s serve.Service) bool {
		return s.Counts.Total == 9 && len(s.Replicas) == 9 && s.Replicas[7].Status() == serve.Provisioning
	})
	if s.Replicas[8].Status() != serve.Pending {
		t.Errorf("beside two teardowns, three launches and one more:\n%s", table(s))
	}
	close(mayEnd)
	mu.Lock()
	close(mayBoot)
	mu.Unlock()
	r.await("7/7", settled(3, 4, 5, 6, 7, 8, 9))
}

// Of the records of failed replicas the last ten are kept.
func TestOldRecordsGo(t *testing.T) {
	store := servetest.NewStore()
	state := serve.State{Name: "web", UID: "u", Revision: 1, Spec: fixedSpec(1), NextID: 13, CreatedAt: now()}
	for id := range int64(12) {
		state.Replicas = append(state.Replicas, serve.Replica{ID: id + 1, Revision: 1, Market: serve.OnDemand, CreatedAt: now(),
			Launch: serve.LaunchSucceeded, Teardown: serve.TeardownSucceeded, Cause: serve.CauseProbing, EndedAt: now().Add(-time.Hour), FirstReadyAt: now()})
	}
	if _, _, err := store.Save(t.Context(), state, nil); err != nil {
		t.Fatal(err)
	}
	r := start(t, newCloud(t), store)
	s := r.await("1/1", func(s serve.Service) bool { return s.Counts.Ready == 1 })
	var kept []int64
	for _, replica := range s.Replicas {
		kept = append(kept, replica.ID)
	}
	if !slices.Equal(kept, []int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}) {
		t.Errorf("kept are %v", kept)
	}
}

// Whoever follows the history hears of what comes after it began.
func TestFollowEvents(t *testing.T) {
	r := start(t, newCloud(t), servetest.NewStore())
	r.apply(fixedSpec(1))
	r.await("1/1", settled(1))
	after := r.history()[len(r.history())-1].Seq
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	told := make(chan error, 1)
	go func() {
		want := after
		told <- r.Events(ctx, after, true, func(e serve.Event) bool {
			if want++; e.Seq != want {
				t.Errorf("event %d is told when %d is next", e.Seq, want)
			}
			return !strings.Contains(e.Message, "to be deleted")
		})
	}()
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Errorf("following ends with %v", err)
	}
}

// A cloud that never says whether it has ended a machine is asked again.
func TestTeardownThatNeverEnds(t *testing.T) {
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore(), func(c *Controller) {
		c.pace.teardown, c.pace.reteardown = time.Millisecond, time.Millisecond
	})
	r.apply(fixedSpec(1))
	r.await("1/1", settled(1))
	cloud.OnCall(func(ctx context.Context, operation string, _ serve.Ref) error {
		if operation == "terminate" {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	if err := r.TerminateReplica(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	r.await("FAILED_CLEANUP", func(s serve.Service) bool { return s.Replicas[0].Status() == serve.FailedCleanup })
	cloud.OnCall(nil)
	r.await("replaced", settled(2))
}
