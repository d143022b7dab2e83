// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// begin starts what a controller with a service does beside its turns. It is
// called once in the life of a service within one process: when the state was
// loaded, or when the first spec is applied.
func (l *loop) begin() {
	l.configure()
	l.refreshOffers()
	l.listen()
	l.recover()
}

// configure applies what the spec says about the endpoint, and about what is
// measured elsewhere.
func (l *loop) configure() {
	l.measure()
	spec := l.state.Spec
	lb := spec.LoadBalancer
	settings := balancer.Settings{
		Policy: string(spec.LoadBalancingPolicy), StreamTimeout: serve.Seconds(lb.StreamTimeoutSeconds),
		MaxBody: lb.MaxRequestBytes, Keys: lb.APIKeyDigests, AccessLog: lb.AccessLog,
	}
	if a := lb.SessionAffinity; a != nil {
		settings.Cookie, settings.Header = a.Cookie, a.Header
	}
	l.c.o.Traffic.Configure(settings)
	if err := l.c.o.Traffic.SetTLS(spec.TLS); err != nil {
		l.note(serve.EventError, 0, "The endpoint's certificate cannot be used: %v", err)
	}
}

// recover asks the clouds what there is, for as long as it takes to get an
// answer, and makes records and machines agree. Until then nothing is launched
// or ended: an unknown is no reason to act. Of several clouds one may be lost, which
// must not keep the service from being served by the others; what is not known of it
// then is left as it is, until it answers.
func (l *loop) recover() {
	clouds := l.clouds()
	l.background(func() func() {
		for failures := 1; ; failures++ {
			found, err := l.list(l.ctx, clouds)
			if err == nil || len(found.silent) < len(clouds) {
				return func() {
					l.adopt(found)
					if err != nil {
						l.note(serve.EventError, 0, "What there is in some cloud is not known yet: %v", err)
					}
				}
			}
			l.c.o.Log.Warn("taking stock failed; trying again", "error", err)
			if !sleep(l.ctx, backoff(failures, time.Second, time.Minute)) {
				return nil
			}
		}
	})
}

// adopt makes records and machines agree after a start:
//
//   - a machine with a record is the replica's again, and is probed before
//     policy may judge, so that the restart of a healthy service decides nothing;
//   - a record that says its machine was up, and no such machine: lost;
//   - a launch that was under way is repeated by the ordinary steps, which is
//     safe because launching is idempotent, and a teardown likewise;
//   - a machine without a record, or of an earlier service of the same name, is
//     ours by its tags and nobody's by the books: it is ended.
func (l *loop) adopt(found inventory) {
	l.recovered, l.dirty = true, true
	adopted := 0
	for i := range l.state.Replicas {
		r := &l.state.Replicas[i]
		instance, ok := found.machines[l.ref(r.ID)]
		switch {
		case r.Launch != serve.LaunchSucceeded || r.Teardown != "":
		case found.knows(r) && (!ok || !instance.Running):
			l.lost(r, "it was gone when the controller started")
		default:
			adopted++
			if r.Ready {
				l.settling[r.ID] = true
			}
		}
	}
	orphans := l.sweepOrphans(found)
	if adopted+orphans > 0 {
		l.note(serve.EventRecovery, 0, "The controller started; replicas adopted: %d, orphans found: %d", adopted, orphans)
	}
	l.lookAgain()
}

// lookAgain asks the clouds once more, when whatever the controller before has asked
// for must be there, and a cloud that did not answer may.
func (l *loop) lookAgain() {
	if l.looking {
		return
	}
	l.looking = true
	l.workers.Go(func() {
		if sleep(l.ctx, l.c.pace.straggler) {
			l.c.post(l.ctx, func() {
				l.looking = false
				l.verify()
			})
		}
	})
}

// recorded names the machines that there is a record of. One that says that its
// machine is gone speaks for none.
func (l *loop) recorded() map[serve.Ref]bool {
	known := map[serve.Ref]bool{}
	for _, r := range l.state.Replicas {
		if r.Teardown != serve.TeardownSucceeded {
			known[l.ref(r.ID)] = true
		}
	}
	return known
}

// sweepOrphans ends the machines that are listed and have no record, and counts
// them. A machine has a record before it is made, and until it is gone: one that
// is ended while the clouds are asked had it when they were, and one that is made
// meanwhile has it now.
func (l *loop) sweepOrphans(found inventory) int {
	known := l.recorded()
	orphans := 0
	for ref, instance := range found.machines {
		if known[ref] || found.recorded[ref] || l.sweeping[ref] {
			continue
		}
		orphans++
		if ref.UID == l.state.UID && ref.Replica >= l.state.NextID {
			l.state.NextID, l.touched = ref.Replica+1, true
		}
		l.note(serve.EventRecovery, ref.Replica, "The machine %s of replica %d has no record and is ended", instance.ID, ref.Replica)
		l.sweep(ref)
	}
	return orphans
}

// sweep has a machine that has no record be ended when this turn is stored: it may
// have one with another controller that has taken over, of which only a save tells.
func (l *loop) sweep(ref serve.Ref) {
	l.sweeping[ref] = true
	l.orphans = append(l.orphans, ref)
}

// endOrphans ends the machines that are to be swept.
func (l *loop) endOrphans() {
	for _, ref := range l.orphans {
		l.endOrphan(ref)
	}
	l.orphans = nil
}

// endOrphan ends a machine that has no record, however often it takes.
func (l *loop) endOrphan(ref serve.Ref) {
	clouds := l.clouds()
	l.background(func() func() {
		for failures := 1; ; failures++ {
			var failed error
			for _, cloud := range clouds {
				if err := cloud.Terminate(l.ctx, ref); err != nil {
					failed = err
				}
			}
			if failed == nil {
				return func() { delete(l.sweeping, ref) }
			}
			l.c.o.Log.Warn("ending an orphan failed; trying again", "replica", ref.Replica, "error", failed)
			if failures == teardownAttempts {
				l.c.post(l.ctx, func() {
					l.note(serve.EventError, ref.Replica, "A machine of replica %d without a record cannot be ended: %v", ref.Replica, failed)
				})
			}
			if !sleep(l.ctx, backoff(failures, time.Second, time.Minute)) {
				return nil
			}
		}
	})
}

// forget lets go of all that was known of a deleted service.
func (l *loop) forget() {
	l.replicas, l.settling = map[int64]*running{}, map[int64]bool{}
	l.tolls = map[int64]tolled{}
	l.memory, l.plan, l.offers = policy.Memory{}, policy.Output{}, offers{}
	l.recovered = false
}

// finish ends the service once it is being deleted and its last replica is
// gone: the clouds are asked one last time, and only when they know of no
// machine either is the service forgotten.
func (l *loop) finish() {
	if !l.state.Deleting || !l.recovered || l.finishing || len(l.sweeping) > 0 || len(l.state.Replicas) > 0 {
		return
	}
	l.finishing = true
	clouds := l.clouds()
	l.background(func() func() {
		found, err := l.list(l.ctx, clouds)
		if err != nil {
			sleep(l.ctx, verifyPause)
		}
		return func() {
			l.finishing = false
			if err != nil {
				l.c.o.Log.Warn("checking that nothing is left failed; trying again", "error", err)
				return
			}
			for ref := range found.machines {
				l.sweep(ref)
			}
			if len(found.machines) == 0 && l.state.Deleting {
				l.note(serve.EventSpec, 0, "Service %s is deleted; nothing of it is left", l.state.Name)
				l.state = serve.State{Version: l.state.Version, Name: l.state.Name, Revision: l.state.Revision, NextID: l.state.NextID}
				l.touched = true
				l.forget()
			}
		}
	})
}
