// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// The story of the seed document, on machines that boot as the test lets them.
func TestSeedStory(t *testing.T) {
	cloud := newCloud(t)
	spotMayBoot, onDemandMayBoot := make(chan struct{}), make(chan struct{})
	cloud.OnCall(func(_ context.Context, operation string, ref serve.Ref) error {
		switch {
		case operation == "launched" && ref.Replica <= 2:
			<-spotMayBoot
		case operation == "launched" && ref.Replica <= 4:
			<-onDemandMayBoot
		}
		return nil
	})
	r := start(t, cloud, servetest.NewStore())
	r.apply(dynamicSpec())

	s := r.await("0/4, all PROVISIONING", func(s serve.Service) bool {
		return s.Counts == serve.Counts{Total: 4} && all(s, serve.Provisioning)
	})
	if s.Status != serve.NoReplica {
		t.Errorf("nothing is ready, and the service is %s", s.Status)
	}
	markets := []serve.Market{serve.Spot, serve.Spot, serve.OnDemand, serve.OnDemand}
	for i, replica := range s.Replicas {
		if replica.ID != int64(i+1) || replica.Market != markets[i] {
			t.Errorf("row %d is replica %d, %s", i+1, replica.ID, replica.Market)
		}
	}
	if s.Replicas[0].Offer.Location == s.Replicas[1].Offer.Location {
		t.Errorf("both spot replicas are in %s", s.Replicas[0].Offer.Location)
	}

	close(spotMayBoot)
	s = r.await("2/4, on-demand going", func(s serve.Service) bool {
		return s.Counts.Ready == 2 && s.Counts.Total == 4 && s.Replicas[2].Status() == serve.ShuttingDown
	})
	if s.Status != serve.Ready || s.Replicas[3].Status() != serve.ShuttingDown {
		t.Errorf("the service is %s and replica 4 %s", s.Status, s.Replicas[3].Status())
	}
	close(onDemandMayBoot)
	r.await("2/2", settled(1, 2))

	// Replica 1 is taken. While spot is short, on-demand stands in for it.
	mayReturn := make(chan struct{})
	cloud.OnCall(func(_ context.Context, operation string, ref serve.Ref) error {
		if operation == "launched" && ref.Replica == 5 {
			<-mayReturn
		}
		return nil
	})
	cloud.Take(1)
	s = r.await("2 of 3 by on-demand", settledButOne(3, 5))
	if s.Replicas[2].Market != serve.OnDemand || s.Replicas[1].Market != serve.Spot {
		t.Errorf("after the preemption:\n%s", table(s))
	}
	close(mayReturn)
	r.await("2/2 again", settled(2, 5))
}

func all(s serve.Service, status serve.Status) bool {
	return !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.Status() != status })
}

// settledButOne says that total replicas are there and all but one READY.
func settledButOne(total int, booting int64) func(serve.Service) bool {
	return func(s serve.Service) bool {
		return s.Counts.Ready == total-1 && s.Counts.Total == total && len(s.Replicas) == total &&
			slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.ID == booting && r.Status() == serve.Provisioning })
	}
}

func TestLostReplicas(t *testing.T) {
	for name, lose := range map[string]func(r *rig){
		"a notice that the machine is gone":      func(r *rig) { r.cloud.Take(1) },
		"a machine that vanishes without a word": func(r *rig) { r.cloud.Vanish(1) },
		"a notice of an interruption": func(r *rig) {
			s, _ := r.Service(context.Background())
			r.cloud.Tell(serve.Notice{Kind: serve.NoticeInterruption, Deadline: time.Now().Add(time.Hour),
				Ref: serve.Ref{Service: "web", UID: s.UID, Replica: 1}})
		},
	} {
		t.Run(name+" leads to a replacement", func(t *testing.T) {
			r := start(t, newCloud(t), servetest.NewStore())
			r.apply(dynamicSpec())
			r.await("2/2", settled(1, 2))
			lose(r)
			s := r.await("replica 1 replaced", func(s serve.Service) bool {
				return s.Counts.Ready == 2 && s.Counts.Total == 2 && s.Replicas[0].ID == 2 && s.Counts.Spot == 2
			})
			if s.Replicas[1].ID <= 4 {
				t.Errorf("the id %d was used again", s.Replicas[1].ID)
			}
			if n := len(r.cloud.Machines()); n != 2 {
				t.Errorf("%d machines are left", n)
			}
		})
	}
}

// A replica under notice serves on while it is the only one there is.
func TestLastResortUnderNotice(t *testing.T) {
	spec := dynamicSpec()
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.DynamicOndemandFallback = 1, false
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore())
	s := r.apply(spec)
	r.await("1/1", settled(1))
	mayBoot := make(chan struct{})
	cloud.OnCall(func(_ context.Context, operation string, _ serve.Ref) error {
		if operation == "launched" {
			<-mayBoot
		}
		return nil
	})
	cloud.Tell(serve.Notice{Kind: serve.NoticeInterruption, Deadline: time.Now().Add(time.Hour),
		Ref: serve.Ref{Service: "web", UID: s.UID, Replica: 1}})
	r.await("replica 1 PREEMPTED", func(s serve.Service) bool { return s.Replicas[0].Status() == serve.Preempted })
	if body, err := r.get(); err != nil || body != "1" {
		t.Errorf("while its replacement boots, replica 1 under notice answers %q, %v", body, err)
	}
	close(mayBoot)
	r.await("the replacement alone", settled(2))
	if body, err := r.get(); err != nil || body != "2" {
		t.Errorf("afterwards the endpoint answers %q, %v", body, err)
	}
}

// While its replacement boots, a replica under notice is one of those that serve.
func TestReplicaUnderNoticeServesWhileOthersAreTooFew(t *testing.T) {
	spec := fixedSpec(2)
	spec.LoadBalancingPolicy = serve.RoundRobin
	cloud := newCloud(t)
	r := start(t, cloud, servetest.NewStore())
	s := r.apply(spec)
	r.await("2/2", settled(1, 2))
	mayBoot := make(chan struct{})
	cloud.OnCall(func(_ context.Context, operation string, _ serve.Ref) error {
		if operation == "launched" {
			<-mayBoot
		}
		return nil
	})
	cloud.Tell(serve.Notice{Kind: serve.NoticeInterruption, Deadline: time.Now().Add(time.Hour),
		Ref: serve.Ref{Service: "web", UID: s.UID, Replica: 1}})
	r.await("replica 1 PREEMPTED", func(s serve.Service) bool { return s.Replicas[0].Status() == serve.Preempted })
	answers := map[string]int{}
	for range 4 {
		body, err := r.get()
		if err != nil {
			t.Fatal(err)
		}
		answers[body]++
	}
	if answers["1"] != 2 || answers["2"] != 2 {
		t.Errorf("while its replacement boots, the answers are %v", answers)
	}
	close(mayBoot)
	r.await("the replacement", settled(2, 3))
}

func TestReplicaUnderNoticeLeavesInTime(t *testing.T) {
	at := now()
	for _, row := range []struct {
		name   string
		notice time.Duration
		cause  serve.Cause
		want   time.Duration // after the notice
	}{
		{"ten seconds before its machine goes", 2 * time.Minute, serve.CausePreempted, 110 * time.Second},
		{"or a quarter of the notice", 30 * time.Second, serve.CausePreempted, 22500 * time.Millisecond},
		{"at once when it is merely not needed", 2 * time.Minute, serve.CauseScaleDown, 0},
	} {
		r := serve.Replica{Ready: true, Launch: serve.LaunchSucceeded}
		r.End(row.cause, at)
		r.DrainUntil = at.Add(row.notice)
		want := at.Add(row.want)
		if row.want == 0 {
			want = time.Time{}
		}
		if got := (&loop{c: New(Options{Traffic: NewFront(nil, nil)})}).leaves(r); !got.Equal(want) {
			t.Errorf("%s: it leaves at %v, not at %v", row.name, got, want)
		}
	}
}

func TestCapacity(t *testing.T) {
	cloud := newCloud(t)
	for _, region := range []string{"east", "west"} {
		cloud.SetCapacity(spotAt(region), 0)
	}
	r := start(t, cloud, servetest.NewStore())
	r.apply(dynamicSpec())
	s := r.await("on-demand alone", func(s serve.Service) bool {
		return s.Counts.OnDemand == 2 && s.Replicas[0].Launch == serve.LaunchWaiting && s.Replicas[1].Launch == serve.LaunchWaiting
	})
	if s.Replicas[0].Status() != serve.Provisioning || s.Replicas[0].Message == "" {
		t.Errorf("a replica without a place is %s: %q", s.Replicas[0].Status(), s.Replicas[0].Message)
	}
	cloud.SetCapacity(spotAt("west"), 2)
	cloud.Tell(serve.Notice{Kind: serve.NoticeCapacity, Location: serve.Location{Cloud: "cloud", Region: "west"}, Market: serve.Spot})
	r.await("back on spot", settled(1, 2))
}

func TestRestart(t *testing.T) {
	t.Run("of a healthy service decides nothing and serves at once", func(t *testing.T) {
		cloud, store := newCloud(t), servetest.NewStore()
		r := start(t, cloud, store)
		r.apply(dynamicSpec())
		r.await("2/2", settled(1, 2))
		before := len(r.history())
		r.crash()
		r = start(t, cloud, store)
		r.await("2/2 again", func(s serve.Service) bool { return s.Status == serve.Ready && s.Counts.Ready == 2 })
		// A change by hand proves that policy was asked and is at work again.
		if err := r.TerminateReplica(t.Context(), 2, false); err != nil {
			t.Fatal(err)
		}
		r.await("a replacement", func(s serve.Service) bool { return settled(1, 5)(s) || settled(1, 6)(s) })
		events := r.history()[before:]
		first := slices.IndexFunc(events, func(e serve.Event) bool { return e.Kind == serve.EventDecision })
		asked := slices.IndexFunc(events, func(e serve.Event) bool { return e.ReplicaID == 2 && e.Kind == serve.EventStatus })
		if first < asked {
			t.Errorf("the restart decided: %s", events[first].Message)
		}
		for _, d := range r.decisions(serve.Launch)[4:] {
			if d.ReplicaID <= 4 {
				t.Errorf("the id %d was used again", d.ReplicaID)
			}
		}
	})
	t.Run("in the middle of a launch makes no second machine", func(t *testing.T) {
		cloud, store := newCloud(t), servetest.NewStore()
		r := start(t, cloud, store)
		cloud.OnCall(func(ctx context.Context, operation string, _ serve.Ref) error {
			if operation == "launched" { // the machine is made, and nobody will ever hear of it
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		r.apply(dynamicSpec())
		for _, launched := range []string{"launched 1", "launched 2", "launched 3", "launched 4"} {
			cloud.Await(t, launched)
		}
		r.crash()
		cloud.OnCall(nil)
		cloud.Take(1) // and one of them dies before anybody looks
		r = start(t, cloud, store)
		r.await("2/2, replica 1 replaced", func(s serve.Service) bool {
			return s.Counts == serve.Counts{Ready: 2, Total: 2, Spot: 2} && s.Replicas[0].ID == 2
		})
		if n := len(cloud.Machines()); n != 2 {
			t.Errorf("%d machines are left", n)
		}
	})
	t.Run("finds machines nobody knows of and ends them", func(t *testing.T) {
		cloud, store := newCloud(t), servetest.NewStore()
		r := start(t, cloud, store)
		uid := r.apply(dynamicSpec()).UID
		r.await("2/2", settled(1, 2))
		r.crash()
		cloud.Plant(t, serve.Ref{Service: "web", UID: uid, Replica: 77})
		cloud.Plant(t, serve.Ref{Service: "web", UID: "another", Replica: 1})
		cloud.Plant(t, serve.Ref{Service: "other", UID: "x", Replica: 5})
		r = start(t, cloud, store)
		cloud.Await(t, "terminate 77")
		if err := r.TerminateReplica(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
		s := r.await("a replacement", func(s serve.Service) bool { return s.Counts.Total == 2 && s.Counts.Ready == 2 && s.Replicas[0].ID == 2 })
		if s.Replicas[1].ID <= 77 {
			t.Errorf("the id of an orphan, or one before it, was used again: %d", s.Replicas[1].ID)
		}
		machines := cloud.Machines()
		if len(machines) != 3 || !slices.ContainsFunc(machines, func(i serve.Instance) bool { return i.Ref.Service == "other" }) {
			t.Errorf("left are %v", machines)
		}
	})
	t.Run("replaces what was lost meanwhile", func(t *testing.T) {
		cloud, store := newCloud(t), servetest.NewStore()
		r := start(t, cloud, store)
		r.apply(dynamicSpec())
		r.await("2/2", settled(1, 2))
		r.crash()
		cloud.Vanish(1)
		r = start(t, cloud, store)
		r.await("replica 1 replaced", settled(2, 5))
	})
}

func TestStore(t *testing.T) {
	t.Run("a controller whose store was taken over stops", func(t *testing.T) {
		cloud, store := newCloud(t), servetest.NewStore()
		r := start(t, cloud, store)
		r.apply(dynamicSpec())
		r.await("2/2", settled(1, 2))
		state, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Save(t.Context(), state, nil); err != nil {
			t.Fatal(err)
		}
		cloud.Take(1)
		<-r.stopped
		if err := r.stop(); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("it stopped with %v", err)
		}
	})
	t.Run("nothing is launched while the intent cannot be stored", func(t *testing.T) {
		cloud, store := newCloud(t), &faultyStore{Store: servetest.NewStore(), broken: make(chan struct{})}
		r := start(t, cloud, store)
		r.apply(dynamicSpec())
		r.await("2/2", settled(1, 2))
		store.fail(3)
		cloud.Take(1)
		<-store.broken
		if slices.Contains(cloud.Calls(), "launch 5") {
			t.Error("replica 5 was launched before its intent was stored")
		}
		r.await("replaced once it can be", settled(2, 5))
	})
}

func TestDelete(t *testing.T) {
	cloud, store := newCloud(t), servetest.NewStore()
	r := start(t, cloud, store)
	r.apply(dynamicSpec())
	r.await("2/2", settled(1, 2))
	if err := r.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Watch(t.Context(), func(serve.Service) bool { return true }); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("watching a deleted service ended with %v", err)
	}
	if left := cloud.Machines(); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	// The name is free again, and ids go on where they stopped.
	r.apply(dynamicSpec())
	r.await("a new service", func(s serve.Service) bool { return s.Counts.Ready == 2 && s.Replicas[0].ID == 5 })
}

func ExampleController_describe() {
	fmt.Println(describe(serve.Decision{Action: serve.Launch, ReplicaID: 6, Market: serve.OnDemand,
		Offer: onDemandAt("east"), Reason: "1 of 2 spot replicas is ready"}))
	// Output: Launch on-demand replica 6 in cloud/east/east-a: 1 of 2 spot replicas is ready
}
