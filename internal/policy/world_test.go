// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// noon is when the tests begin.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// offer is a machine in one zone.
func offer(infra string, market serve.Market, price float64) serve.Offer {
	return serve.Offer{Location: serve.ParseLocation(infra), Market: market, InstanceType: "m2", Price: price}
}

// everywhere offers both markets in two regions.
func everywhere() []serve.Offer {
	return []serve.Offer{
		offer("cloud/east/east-a", serve.Spot, 0.03), offer("cloud/west/west-a", serve.Spot, 0.03),
		offer("cloud/east/east-a", serve.OnDemand, 0.10), offer("cloud/west/west-a", serve.OnDemand, 0.10),
	}
}

// spotSpec is a service on spot machines, changed as a test wants it.
func spotSpec(change ...func(*serve.ReplicaPolicy)) serve.Spec {
	spec := serve.NewSpec("web")
	spot := true
	spec.Resources.UseSpot, spec.Resources.Ports, spec.Run = &spot, "8080", "server"
	for _, c := range change {
		c(&spec.ReplicaPolicy)
	}
	if errs := spec.Validate(); len(errs) > 0 {
		panic(errs)
	}
	return spec
}

// onDemandSpec is a service on on-demand machines.
func onDemandSpec(change ...func(*serve.ReplicaPolicy)) serve.Spec {
	spec := spotSpec(change...)
	spec.Resources.UseSpot = nil
	return spec
}

// scaling is a policy from least to most replicas at one request per second each.
func scaling(least, most int) func(*serve.ReplicaPolicy) {
	return func(p *serve.ReplicaPolicy) {
		p.MinReplicas, p.MaxReplicas, p.TargetQPSPerReplica = least, most, &serve.QPS{Each: 1}
	}
}

func base(n int) func(*serve.ReplicaPolicy) {
	return func(p *serve.ReplicaPolicy) { p.BaseOndemandFallbackReplicas = n }
}

func dynamic(p *serve.ReplicaPolicy) { p.DynamicOndemandFallback = true }

func overprovision(n int) func(*serve.ReplicaPolicy) {
	return func(p *serve.ReplicaPolicy) { p.NumOverprovision = n }
}

// world is a service whose replicas do as a test tells them. It carries out
// decisions as a controller does.
type world struct {
	t   testing.TB
	now time.Time
	in  policy.Input
	out policy.Output
}

func newWorld(t testing.TB, spec serve.Spec, replicas ...string) *world {
	t.Helper()
	w := &world{t: t, now: noon(), in: policy.Input{Spec: spec, Revision: 1, NextID: 1, Offers: everywhere()}}
	for _, r := range replicas {
		w.add(r)
	}
	return w
}

// add makes a replica from a sentence: "3 spot READY", with "v2" for one of
// another revision than the first, and "in cloud/east/east-a" for a place.
func (w *world) add(sentence string) {
	w.t.Helper()
	words := strings.Fields(sentence)
	r := serve.Replica{Revision: 1, CreatedAt: w.now.Add(-time.Hour), Task: "task of revision 1"}
	if _, err := fmt.Sscan(words[0], &r.ID); err != nil {
		w.t.Fatalf("%q does not begin with an id", sentence)
	}
	r.Market = marketOf(words[1])
	r.Offer = offer("cloud/east/east-a", r.Market, 0.03)
	for i, word := range words[3:] {
		switch {
		case strings.HasPrefix(word, "v"):
			if _, err := fmt.Sscanf(word, "v%d", &r.Revision); err != nil {
				w.t.Fatalf("%q has an unreadable revision", sentence)
			}
			r.Task = fmt.Sprintf("task of revision %d", r.Revision)
		case word == "in":
			r.Offer.Location = serve.ParseLocation(words[3+i+1])
		}
	}
	w.in.Replicas = append(w.in.Replicas, r)
	w.in.NextID = max(w.in.NextID, r.ID+1)
	w.become(r.ID, serve.Status(words[2]))
}

func marketOf(word string) serve.Market {
	if word == "on-demand" {
		return serve.OnDemand
	}
	return serve.Market(word)
}

func (w *world) find(id int64) *serve.Replica {
	w.t.Helper()
	i := slices.IndexFunc(w.in.Replicas, func(r serve.Replica) bool { return r.ID == id })
	if i < 0 {
		w.t.Fatalf("there is no replica %d", id)
	}
	return &w.in.Replicas[i]
}

// become brings a replica into a state by the facts that a controller would
// have recorded.
func (w *world) become(id int64, status serve.Status) {
	w.t.Helper()
	r := w.find(id)
	ended := func(cause serve.Cause, state serve.TeardownState) {
		r.Ready, r.Cause, r.Teardown, r.EndedAt = false, cause, state, w.now
	}
	switch status {
	case serve.Pending:
		r.Launch = serve.LaunchPending
	case serve.Provisioning:
		r.Launch = serve.LaunchRunning
	case serve.Starting:
		r.Launch = serve.LaunchSucceeded
	case serve.Ready:
		r.Launch, r.Ready, r.FailingSince, r.Restart = serve.LaunchSucceeded, true, time.Time{}, ""
		if r.FirstReadyAt.IsZero() {
			r.FirstReadyAt = w.now
		}
	case serve.NotReady:
		r.Launch, r.Ready, r.FailingSince = serve.LaunchSucceeded, false, w.now
		if r.FirstReadyAt.IsZero() {
			r.FirstReadyAt = w.now
		}
	case serve.ShuttingDown:
		ended(serve.CauseScaleDown, serve.TeardownRunning)
	case serve.Preempted:
		ended(serve.CausePreempted, serve.TeardownRunning)
	case serve.Failed:
		ended(serve.CauseAppFailed, serve.TeardownSucceeded)
	case serve.FailedInitialDelay:
		ended(serve.CauseInitialDelay, serve.TeardownSucceeded)
	case serve.FailedProbing:
		r.FirstReadyAt = w.now
		ended(serve.CauseProbing, serve.TeardownSucceeded)
	case serve.FailedProvision:
		r.Launch = serve.LaunchFailed
		ended(serve.CauseProvision, serve.TeardownSucceeded)
	case serve.FailedCleanup:
		ended(serve.CauseScaleDown, serve.TeardownFailed)
	default:
		w.t.Fatalf("no replica can be %q", status)
	}
	if got := r.Status(); got != status {
		w.t.Fatalf("replica %d is %s and not %s", id, got, status)
	}
}

// vanish removes the record of a replica.
func (w *world) vanish(ids ...int64) {
	w.in.Replicas = slices.DeleteFunc(w.in.Replicas, func(r serve.Replica) bool { return slices.Contains(ids, r.ID) })
}

// update gives the service a new spec, made of the present one.
func (w *world) update(change func(*serve.Spec)) {
	w.in.Revision++
	change(&w.in.Spec)
}

// pass lets time go by.
func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// decide asks for decisions, checks what holds for all of them and gives them in
// short, without carrying them out.
func (w *world) decide() string {
	w.t.Helper()
	w.out = policy.Plan(w.now, w.in)
	w.in.Memory = w.out.Memory
	var words []string
	for _, d := range w.out.Decisions {
		if d.Reason == "" {
			w.t.Errorf("the decision to %s replica %d has no reason", d.Action, d.ReplicaID)
		}
		switch d.Action {
		case serve.Terminate:
			words = append(words, fmt.Sprintf("remove %d", d.ReplicaID))
		case serve.Launch:
			words = append(words, fmt.Sprintf("launch %s %d", strings.ReplaceAll(string(d.Market), "_", "-"), d.ReplicaID))
		default:
			words = append(words, fmt.Sprintf("%s %d", d.Action, d.ReplicaID))
		}
	}
	return strings.Join(words, ", ")
}

// step asks for decisions and carries them out.
func (w *world) step() string {
	w.t.Helper()
	words := w.decide()
	for _, d := range w.out.Decisions {
		switch d.Action {
		case serve.Launch:
			launch := serve.LaunchPending
			if d.Offer.IsZero() {
				launch = serve.LaunchWaiting
			}
			w.in.Replicas = append(w.in.Replicas, serve.Replica{
				ID: d.ReplicaID, Revision: d.Revision, Market: d.Market, Offer: d.Offer,
				Task: w.in.Spec.Task.Digest(), Shape: w.in.Spec.Task.Shape(), CreatedAt: w.now, Launch: launch,
			})
			w.in.NextID = d.ReplicaID + 1
		case serve.Retry:
			w.find(d.ReplicaID).Offer, w.find(d.ReplicaID).Launch = d.Offer, serve.LaunchPending
		case serve.Relabel:
			w.find(d.ReplicaID).Revision = d.Revision
		case serve.Restart:
			state := serve.State{Spec: w.in.Spec, Replicas: w.in.Replicas}
			if err := state.Accept(d, w.now); err != nil {
				w.t.Errorf("a decision that cannot be accepted: %v", err)
			}
		case serve.Terminate:
			r := w.find(d.ReplicaID)
			r.Teardown, r.Cause, r.EndedAt = serve.TeardownScheduled, d.Cause, w.now
		}
	}
	return words
}

// want fails the test unless the next step is the one described.
func (w *world) want(when, decisions string) {
	w.t.Helper()
	if diff := cmp.Diff(decisions, w.step()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// remember has the memory begin with a target, and traffic that asks for it.
func (w *world) remember(target int) {
	w.in.Memory.Revision, w.in.Memory.Target = w.in.Revision, target
	w.in.Requests = 60 * target
}

// shows gives the REPLICAS column and the rows of the table.
func (w *world) shows() string {
	c := serve.Count(w.in.Replicas)
	rows := []string{fmt.Sprintf("%d/%d", c.Ready, c.Total)}
	for _, r := range w.in.Replicas {
		rows = append(rows, fmt.Sprintf("%d %s %s", r.ID, strings.ReplaceAll(string(r.Market), "_", "-"), r.Status()))
	}
	return strings.Join(rows, ", ")
}
