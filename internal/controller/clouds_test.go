// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestAMachineThatComesLateIsAnOrphan(t *testing.T) {
	t.Parallel()
	cloud, store := newCloud(t), servetest.NewStore()
	r := start(t, cloud, store)
	uid := r.apply(dynamicSpec()).UID
	r.await("two replicas", settled(1, 2))
	r.crash()

	// The controller that was stopped had one more launch under way.
	late := serve.Ref{Service: "web", UID: uid, Replica: 3}
	cloud.OnCall(func(_ context.Context, operation string, ref serve.Ref) error {
		if operation == "terminate" && ref != late {
			t.Errorf("%v was ended", ref)
		}
		return nil
	})
	r = start(t, cloud, store, func(c *Controller) { c.pace.straggler = 100 * time.Millisecond })
	r.await("the two replicas again", settled(1, 2))
	if _, err := cloud.Launch(t.Context(), serve.LaunchRequest{Ref: late, Offer: spotAt("east")}); err != nil {
		t.Fatal(err)
	}
	for machines := 3; machines != 2; {
		list, err := cloud.List(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		machines = len(list)
	}
}

// A controller that was given up for dead may still run when another one has taken
// its place. It knows nothing of what that one launches, and ends none of it: it has
// to save first that it found an orphan, and so hears that it is over.
func TestAMachineOfASuccessorIsNoOrphan(t *testing.T) {
	t.Parallel()
	cloud, store := newCloud(t), servetest.NewStore()
	r := start(t, cloud, store)
	uid := r.apply(dynamicSpec()).UID
	r.await("two replicas", settled(1, 2))

	state, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs := serve.Ref{Service: "web", UID: uid, Replica: state.NextID}
	state.NextID++
	state.Replicas = append(state.Replicas, serve.Replica{ID: theirs.Replica, Revision: 1, Market: serve.Spot, Launch: serve.LaunchPending})
	if _, _, err := store.Save(t.Context(), state, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Launch(t.Context(), serve.LaunchRequest{Ref: theirs, Offer: spotAt("east")}); err != nil {
		t.Fatal(err)
	}
	cloud.OnCall(func(_ context.Context, operation string, ref serve.Ref) error {
		if operation == "terminate" {
			t.Errorf("%v was ended", ref)
		}
		return nil
	})
	r.post(t.Context(), func() { r.loop.verify() })
	<-r.stopped
	if err := r.stop(); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("it stopped with %v", err)
	}
}

func TestACloudThatNobodyNamesIsNotAsked(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	there := serve.Location{Cloud: "kubernetes", Region: "there"}
	other := servetest.NewScripted(t, "kubernetes", serve.Offer{Location: there, Market: serve.OnDemand, InstanceType: "m2", CPUs: 2})
	asked := errors.New("it was asked")
	other.OnCall(func(context.Context, string, serve.Ref) error { return asked })
	r := start(t, cloud, servetest.NewStore(), func(c *Controller) { c.o.Clouds = append(c.o.Clouds, other) })
	spec := dynamicSpec()
	r.apply(spec)
	r.await("two replicas", settled(1, 2))
	for _, e := range r.history() {
		if e.Kind == serve.EventError {
			t.Errorf("something went wrong: %s", e.Message)
		}
	}

	// The seed's tip: some replicas there, counted as on-demand ones, the others on spot.
	other.OnCall(nil)
	spec.ReplicaPolicy.BaseOndemandFallbackReplicas = 1
	spec.Resources.AnyOf = []serve.Resource{{Infra: "kubernetes"}, {}}
	r.apply(spec)
	s := r.await("one of them there", func(s serve.Service) bool {
		return s.Counts.Ready == 2 && s.Counts.OnDemand == 1 && s.Counts.Spot == 1 && s.Counts.Total == 2
	})
	for _, replica := range s.Replicas {
		if on := replica.Offer.Location.Cloud; (on == "kubernetes") != (replica.Market == serve.OnDemand) {
			t.Errorf("the %s replica %d is on %s", replica.Market, replica.ID, on)
		}
	}
}

// twoClouds is a service with a spot replica in each of two clouds, of which the other
// one can be lost.
func twoClouds(t *testing.T) (cloud, other *servetest.Scripted, spec serve.Spec) {
	t.Helper()
	cloud = servetest.NewScripted(t, "cloud", spotAt("east"), onDemandAt("east"))
	there := spotAt("there")
	there.Location.Cloud = "aws"
	other = servetest.NewScripted(t, "aws", there)
	spec = dynamicSpec()
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 2, 2
	spec.ReplicaPolicy.TargetQPSPerReplica = nil
	spec.Resources.AnyOf = []serve.Resource{{Infra: "aws"}, {}}
	return cloud, other, spec
}

var errLost = errors.New("the cloud is lost")

func lost(context.Context, string, serve.Ref) error { return errLost }

// inEach says that there is a ready spot replica in either cloud.
func inEach(s serve.Service) bool {
	by := map[string]int{}
	for _, r := range s.Replicas {
		if r.Status() == serve.Ready && r.Market == serve.Spot {
			by[r.Offer.Location.Cloud]++
		}
	}
	return by["cloud"] == 1 && by["aws"] == 1 && s.Counts.Total == 2
}

// A controller that is started while one of its clouds is lost takes up what is in the
// others at once, thinks nothing in the lost one gone, and looks there again later.
func TestAControllerStartsWhileACloudIsLost(t *testing.T) {
	t.Parallel()
	cloud, other, spec := twoClouds(t)
	store := servetest.NewStore()
	with := func(c *Controller) { c.o.Clouds, c.pace.straggler = append(c.o.Clouds, other), 50*time.Millisecond }
	r := start(t, cloud, store, with)
	uid := r.apply(spec).UID
	before := idsOf(r.await("a replica in each cloud", inEach).Replicas)
	r.crash()

	late := serve.Ref{Service: "web", UID: uid, Replica: 7}
	there := spotAt("there")
	there.Location.Cloud = "aws"
	if _, err := other.Launch(t.Context(), serve.LaunchRequest{Ref: late, Offer: there}); err != nil {
		t.Fatal(err)
	}
	other.OnCall(lost)
	r = start(t, cloud, store, with)
	if after := idsOf(r.await("both replicas, of which nothing was decided", inEach).Replicas); !slices.Equal(before, after) {
		t.Errorf("there are the replicas %v, and were %v", after, before)
	}
	// What comes new is launched where somebody answers.
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 3, 3
	r.apply(spec)
	r.await("a third replica where there is a cloud", func(s serve.Service) bool {
		return s.Counts.Ready == 3 && s.Replicas[len(s.Replicas)-1].Offer.Location.Cloud == "cloud"
	})
	other.OnCall(nil)
	for machines := 2; machines != 1; {
		list, err := other.List(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		machines = len(list)
	}
	r.await("all of them", func(s serve.Service) bool { return s.Counts.Ready == 3 })
}
