// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestReplicaStatus(t *testing.T) {
	t.Parallel()
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	up := serve.Replica{Launch: serve.LaunchSucceeded}
	ending := func(td serve.TeardownState, c serve.Cause) serve.Replica {
		return serve.Replica{Launch: serve.LaunchSucceeded, Ready: true, FirstReadyAt: then, Teardown: td, Cause: c}
	}
	rows := []struct {
		name    string
		replica serve.Replica
		want    serve.Status
	}{
		{"R1 nothing but the intent", serve.Replica{Launch: serve.LaunchPending}, serve.Pending},
		{"an empty record", serve.Replica{}, serve.Pending},
		{"R1 the cloud has been asked", serve.Replica{Launch: serve.LaunchRunning}, serve.Provisioning},
		{"waiting for another offer", serve.Replica{Launch: serve.LaunchWaiting}, serve.Provisioning},
		{"R1 up, and no probe has succeeded", up, serve.Starting},
		{"R1 the last probe succeeded", serve.Replica{Launch: serve.LaunchSucceeded, Ready: true, FirstReadyAt: then}, serve.Ready},
		{"R1 was ready, the last probe failed", serve.Replica{Launch: serve.LaunchSucceeded, FirstReadyAt: then}, serve.NotReady},
		{"the launch was given up and no teardown has begun", serve.Replica{Launch: serve.LaunchFailed}, serve.FailedProvision},
		{"R12 scaled down while ready", ending(serve.TeardownScheduled, serve.CauseScaleDown), serve.ShuttingDown},
		{"R13 scaled down while provisioning", serve.Replica{Launch: serve.LaunchRunning, Teardown: serve.TeardownRunning, Cause: serve.CauseScaleDown}, serve.ShuttingDown},
		{"preempted", ending(serve.TeardownScheduled, serve.CausePreempted), serve.Preempted},
		{"preempted and cleared away", ending(serve.TeardownSucceeded, serve.CausePreempted), serve.Preempted},
		{"failing its probes, not yet gone", ending(serve.TeardownRunning, serve.CauseProbing), serve.ShuttingDown},
		{"R3 failed its probes", ending(serve.TeardownSucceeded, serve.CauseProbing), serve.FailedProbing},
		{"R2 never ready in time", ending(serve.TeardownSucceeded, serve.CauseInitialDelay), serve.FailedInitialDelay},
		{"R5 its program failed", ending(serve.TeardownSucceeded, serve.CauseAppFailed), serve.Failed},
		{"R14 its machine could not be had", ending(serve.TeardownSucceeded, serve.CauseProvision), serve.FailedProvision},
		{"R16 its machine cannot be ended", ending(serve.TeardownFailed, serve.CauseScaleDown), serve.FailedCleanup},
		{"a preempted machine that cannot be ended", ending(serve.TeardownFailed, serve.CausePreempted), serve.FailedCleanup},
		{"removed, the record is about to go", ending(serve.TeardownSucceeded, serve.CauseOutdated), serve.ShuttingDown},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := row.replica.Status(); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// every gives each combination of the facts a status is made of.
func every(visit func(serve.Replica)) {
	launches := []serve.LaunchState{"", serve.LaunchPending, serve.LaunchWaiting, serve.LaunchRunning, serve.LaunchSucceeded, serve.LaunchFailed}
	teardowns := []serve.TeardownState{"", serve.TeardownScheduled, serve.TeardownRunning, serve.TeardownSucceeded, serve.TeardownFailed}
	causes := []serve.Cause{
		"", serve.CauseScaleDown, serve.CauseOutdated, serve.CauseRequested, serve.CauseDeleted, serve.CausePreempted,
		serve.CauseLost, serve.CauseAppFailed, serve.CauseInitialDelay, serve.CauseProbing, serve.CauseProvision,
	}
	for _, launch := range launches {
		for _, teardown := range teardowns {
			for _, cause := range causes {
				for _, ready := range []bool{false, true} {
					for _, first := range []time.Time{{}, time.Unix(1, 0)} {
						visit(serve.Replica{Launch: launch, Teardown: teardown, Cause: cause, Ready: ready, FirstReadyAt: first})
					}
				}
			}
		}
	}
}

func TestReplicaStatusIsTotal(t *testing.T) {
	t.Parallel()
	named := map[serve.Status]bool{
		serve.Pending: false, serve.Provisioning: false, serve.Starting: false, serve.Ready: false, serve.NotReady: false,
		serve.ShuttingDown: false, serve.Preempted: false, serve.Failed: false, serve.FailedInitialDelay: false,
		serve.FailedProbing: false, serve.FailedProvision: false, serve.FailedCleanup: false,
	}
	every(func(r serve.Replica) {
		status := r.Status()
		if _, ok := named[status]; !ok {
			t.Errorf("%+v has the unnamed status %q", r, status)
		}
		named[status] = true
		if r.Teardown != "" && !status.IsTerminal() {
			t.Errorf("%+v is being torn down and yet %s", r, status)
		}
		if status == serve.Ready && (r.Launch != serve.LaunchSucceeded || !r.Ready) {
			t.Errorf("%+v is READY against the facts", r)
		}
		if r.IsUnrecoverable() && !status.IsTerminal() {
			t.Errorf("%+v is unrecoverable and yet %s", r, status)
		}
	})
	for status, seen := range named {
		if !seen {
			t.Errorf("no combination of facts is %s", status)
		}
	}
}

func TestStatusSets(t *testing.T) {
	t.Parallel()
	rows := []struct {
		status           serve.Status
		failed, terminal bool
	}{
		{serve.Pending, false, false},
		{serve.Provisioning, false, false},
		{serve.Starting, false, false},
		{serve.Ready, false, false},
		{serve.NotReady, false, false},
		{serve.ShuttingDown, false, true},
		{serve.Preempted, false, true},
		{serve.Failed, true, true},
		{serve.FailedInitialDelay, true, true},
		{serve.FailedProbing, true, true},
		{serve.FailedProvision, true, true},
		{serve.FailedCleanup, true, true},
	}
	for _, row := range rows {
		if row.status.IsFailed() != row.failed || row.status.IsTerminal() != row.terminal {
			t.Errorf("%s: failed %v, terminal %v; want %v, %v", row.status, row.status.IsFailed(), row.status.IsTerminal(), row.failed, row.terminal)
		}
	}
}

func TestIsUnrecoverable(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		replica serve.Replica
		want    bool
	}{
		{"never ready in time", serve.Replica{Teardown: serve.TeardownScheduled, Cause: serve.CauseInitialDelay}, true},
		{"its program failed before it was ready", serve.Replica{Teardown: serve.TeardownSucceeded, Cause: serve.CauseAppFailed}, true},
		{"its program failed after it had been ready", serve.Replica{Teardown: serve.TeardownSucceeded, Cause: serve.CauseAppFailed, FirstReadyAt: time.Unix(1, 0)}, false},
		{"its machine could not be had", serve.Replica{Teardown: serve.TeardownSucceeded, Cause: serve.CauseProvision}, false},
		{"scaled down before it was ready", serve.Replica{Teardown: serve.TeardownRunning, Cause: serve.CauseScaleDown}, false},
		{"alive", serve.Replica{Launch: serve.LaunchSucceeded}, false},
	}
	for _, row := range rows {
		if got := row.replica.IsUnrecoverable(); got != row.want {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}

// TestCount holds the REPLICAS column of every table in the seed document.
func TestCount(t *testing.T) {
	t.Parallel()
	ready := func(m serve.Market) serve.Replica {
		return serve.Replica{Market: m, Launch: serve.LaunchSucceeded, Ready: true, FirstReadyAt: time.Unix(1, 0)}
	}
	launching := func(m serve.Market) serve.Replica { return serve.Replica{Market: m, Launch: serve.LaunchRunning} }
	ending := func(c serve.Cause, td serve.TeardownState) serve.Replica {
		return serve.Replica{Market: serve.OnDemand, Launch: serve.LaunchSucceeded, Teardown: td, Cause: c}
	}
	rows := []struct {
		name     string
		replicas []serve.Replica
		want     serve.Counts
	}{
		{"no replica", nil, serve.Counts{}},
		{"four provisioning: 0/4", []serve.Replica{launching(serve.Spot), launching(serve.Spot), launching(serve.OnDemand), launching(serve.OnDemand)}, serve.Counts{Total: 4}},
		{"two ready and two shutting down: 2/4", []serve.Replica{ready(serve.Spot), ready(serve.Spot), ending(serve.CauseScaleDown, serve.TeardownRunning), ending(serve.CauseScaleDown, serve.TeardownRunning)}, serve.Counts{Ready: 2, Total: 4, Spot: 2}},
		{"F6 one ready and one preempted: 1/2", []serve.Replica{ready(serve.OnDemand), ending(serve.CausePreempted, serve.TeardownRunning)}, serve.Counts{Ready: 1, Total: 2, OnDemand: 1}},
		{"R5 failed records do not count: 0/0", []serve.Replica{ending(serve.CauseAppFailed, serve.TeardownSucceeded)}, serve.Counts{Failed: 1}},
		{"C13 failed, leaking and ready: 1/1", []serve.Replica{ready(serve.Spot), ending(serve.CauseProbing, serve.TeardownSucceeded), ending(serve.CauseScaleDown, serve.TeardownFailed)}, serve.Counts{Ready: 1, Total: 1, Spot: 1, Failed: 2}},
	}
	for _, row := range rows {
		if got := serve.Count(row.replicas); got != row.want {
			t.Errorf("%s: got %+v, want %+v", row.name, got, row.want)
		}
	}
}
