// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// view is what is shown of the service. A new one replaces it after every turn
// that changed anything, so that reading never waits for the loop.
type view struct {
	service serve.Service
	exists  bool
	// lastEvent is the number of the newest stored event.
	lastEvent int64
	// changed is closed when this view has been replaced.
	changed chan struct{}
}

// publish makes the present state visible.
func (l *loop) publish() {
	old := l.c.view.Load()
	fresh := &view{exists: l.state.UID != "", lastEvent: l.lastEvent, changed: make(chan struct{})}
	if fresh.exists {
		fresh.service = l.show()
	}
	if fresh.exists == old.exists && fresh.lastEvent == old.lastEvent && reflect.DeepEqual(fresh.service, old.service) {
		return
	}
	l.c.view.Store(fresh)
	close(old.changed)
}

// show describes the service as it is now.
func (l *loop) show() serve.Service {
	s := &l.state
	v := serve.Service{
		Name: s.Name, UID: s.UID, Revision: s.Revision,
		Endpoint: l.c.o.Traffic.URL(), StatusPage: l.c.o.StatusPage,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, FirstReadyAt: s.FirstReadyAt,
		Good: s.Good, RolledBack: s.RolledBack, History: s.History,
		Target:   l.memory.Target,
		Counts:   serve.Count(s.Replicas),
		Spec:     s.Spec.Redacted(),
		Replicas: slices.Clone(s.Replicas),
		Pools:    l.memory.Known(),
		Ledger:   s.Ledger,
	}
	active := map[int64]bool{}
	for _, r := range s.Replicas {
		if r.Status() == serve.Ready && l.serves(r.Revision) && !active[r.Revision] {
			active[r.Revision] = true
			v.ActiveRevisions = append(v.ActiveRevisions, r.Revision)
		}
		if r.Launch == serve.LaunchSucceeded && r.Teardown != serve.TeardownSucceeded {
			v.CostPerHour += r.Offer.Price
		}
	}
	slices.Sort(v.ActiveRevisions)
	v.Failure = l.failure()
	v.Status, v.Message = l.judge(v.Counts, v.Failure)
	return v
}

// judge says how the service is, and why when it is not well.
func (l *loop) judge(counts serve.Counts, failure string) (serve.Status, string) {
	switch {
	case l.state.Deleting:
		for _, r := range l.state.Replicas {
			if r.Status() == serve.FailedCleanup {
				return serve.FailedCleanup, fmt.Sprintf("Replica %d cannot be ended: %s", r.ID, r.Message)
			}
		}
		return serve.ShuttingDown, ""
	case !l.recovered:
		return serve.ControllerInit, "The controller is taking stock of its machines"
	case counts.Ready > 0:
		return serve.Ready, l.plan.Hold
	case failure != "":
		return serve.Failed, failure
	default:
		return serve.NoReplica, l.plan.Hold
	}
}

// failure says why the newest revision will not become ready as it is, empty
// while it may.
func (l *loop) failure() string {
	if broken := l.broken(); broken != nil {
		return fmt.Sprintf("replica %d is %s: %s", broken.ID, broken.Status(), broken.Message)
	}
	if l.offers.fit(l.state.Spec) {
		return ""
	}
	for _, r := range l.state.Replicas {
		if r.Revision == l.state.Revision && r.Instance != "" {
			return "" // it has what is not offered any more
		}
	}
	return "no machine that is offered anywhere fits " + describeResources(l.state.Spec.Resources)
}

// broken gives the replica that shows that the newest revision will never work
// as it is: none of the revision was ever ready or is on its way, and this one
// failed for good. Nil if there is none.
func (l *loop) broken() *serve.Replica {
	var found *serve.Replica
	for i := range l.state.Replicas {
		r := &l.state.Replicas[i]
		if r.Revision != l.state.Revision {
			continue
		}
		if !r.FirstReadyAt.IsZero() || !r.Status().IsTerminal() {
			return nil
		}
		if r.Status().IsFailed() && (r.IsUnrecoverable() || r.Cause == serve.CauseProvision) {
			found = r
		}
	}
	return found
}
