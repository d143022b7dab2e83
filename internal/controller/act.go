// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// step is what is being done with a replica's machine. At most one step is
// under way for a replica at any time, so a launch and a teardown of the same
// machine never meet.
type step string

const (
	idle        step = ""
	launching   step = "launching"
	emptying    step = "emptying"   // no request is to be under way when it is restarted
	restarting  step = "restarting" // its machine is given another task
	draining    step = "draining"
	terminating step = "terminating"
)

// begun is a step that is marked as under way and starts when the intent is stored.
type begun struct {
	run   *running
	start func()
}

// The numbers of SkyServe.
const (
	launchAttempts   = 3
	teardownAttempts = 3
)

// next says which step a replica needs. It is the whole of crash recovery too:
// after a restart nothing is under way, and the records say what was intended.
func next(r serve.Replica, drained bool) step {
	switch {
	case r.Teardown == "" && (r.Launch == serve.LaunchPending || r.Launch == serve.LaunchRunning):
		return launching
	case r.Teardown == "" && r.Restart == serve.RestartScheduled && !drained:
		return emptying
	case r.Teardown == "" && r.Restart != "":
		return restarting
	case r.Teardown == serve.TeardownScheduled && !drained:
		return draining
	case r.Teardown == serve.TeardownScheduled, r.Teardown == serve.TeardownRunning, r.Teardown == serve.TeardownFailed:
		return terminating
	default:
		return idle
	}
}

// advance sees which replica needs which step and gives the steps to start once
// the state is saved.
func (l *loop) advance() []begun {
	if !l.recovered {
		return nil
	}
	var start []begun
	at := now()
	for i := range l.state.Replicas {
		r := &l.state.Replicas[i]
		run := l.of(r.ID)
		if run.step != idle {
			run.callOff(*r)
			continue
		}
		if at.Before(run.notBefore) {
			continue
		}
		run.notBefore = time.Time{}
		switch s := next(*r, run.drained); s {
		case launching:
			if !l.slotFree() {
				continue
			}
			start = append(start, begun{run, l.launch(r, run)})
		case emptying, draining:
			start = append(start, begun{run, l.drain(r, run, s)})
		case restarting:
			start = append(start, begun{run, l.restart(r, run)})
		case terminating:
			if l.neverAsked(*r) {
				l.ended(r.ID, nil)
				return append(start, l.advance()...) // the slice has shifted
			}
			if !l.slotFree() {
				continue
			}
			start = append(start, begun{run, l.terminate(r, run)})
		default:
			l.probe(r, run)
		}
	}
	return start
}

// callOff stops what is no use for a replica that is to end.
func (run *running) callOff(r serve.Replica) {
	if r.Teardown != "" && run.step != draining && run.step != terminating {
		run.stop()
	}
}

// slotFree reports whether one more cloud call may begin (reference, case C14).
func (l *loop) slotFree() bool {
	halves := 0
	for _, run := range l.replicas {
		switch run.step {
		case launching:
			halves += 2
		case terminating:
			halves++
		}
	}
	return halves < 2*l.c.o.Launches
}

// neverAsked reports whether no cloud has ever heard of the replica, so that
// there is nothing to end. A launch is marked running before its cloud is
// asked, and that mark is saved first.
func (l *loop) neverAsked(r serve.Replica) bool {
	return r.Attempts == 0 && r.Instance == "" && (r.Launch == serve.LaunchPending || r.Launch == serve.LaunchWaiting)
}

// beginStep marks a step as under way and gives it a context of its own.
func (l *loop) beginStep(run *running, s step) context.Context {
	ctx, cancel := context.WithCancel(l.ctx)
	run.step, run.stop = s, cancel
	return ctx
}

// endStep marks that nothing is being done with the replica any more.
func (run *running) endStep() {
	run.stop()
	run.step, run.stop = idle, nil
}

// launch asks the cloud for the replica's machine.
func (l *loop) launch(r *serve.Replica, run *running) func() {
	if r.Launch != serve.LaunchRunning {
		r.Launch, l.touched = serve.LaunchRunning, true
	}
	ctx := l.beginStep(run, launching)
	id, cloud, req := r.ID, l.cloud(r.Offer.Location.Cloud), l.request(r)
	return func() {
		l.background(func() func() {
			instance, err := launchOn(ctx, cloud, req)
			return func() { l.launched(id, instance, err) }
		})
	}
}

// request says what the replica's machine is to be and to run.
func (l *loop) request(r *serve.Replica) serve.LaunchRequest {
	spec := l.state.SpecOf(r.Revision)
	req := serve.LaunchRequest{
		Ref: l.ref(r.ID), Revision: r.Revision, Offer: r.Offer, Port: spec.Port(), Task: spec.Task, Bundle: l.c.o.Bundles.Open,
	}
	if entries := spec.Resources.Entries(); r.Offer.Entry < len(entries) {
		req.Resource = entries[r.Offer.Entry]
	}
	return req
}

// launchTimeout is how long a cloud may take to make a machine. One that has
// accepted a launch and never delivers is not waited for.
const launchTimeout = 20 * time.Minute

// launchOn launches, and after a failure other than want of capacity clears
// away what may have been half made, so that it can be tried again.
func launchOn(ctx context.Context, cloud serve.Cloud, req serve.LaunchRequest) (serve.Instance, error) {
	if cloud == nil {
		return serve.Instance{}, fmt.Errorf("no cloud %q here: %w", req.Offer.Location.Cloud, serve.ErrInvalid)
	}
	patient, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	instance, err := cloud.Launch(patient, req)
	if err == nil || ctx.Err() != nil || errors.Is(err, serve.ErrCapacity) || errors.Is(err, serve.ErrQuota) {
		return instance, err
	}
	if clean := cloud.Terminate(ctx, req.Ref); clean != nil {
		return instance, fmt.Errorf("%w (and clearing away after it failed: %w)", err, clean)
	}
	return instance, err
}

// launched takes in how a launch went.
func (l *loop) launched(id int64, instance serve.Instance, err error) {
	run := l.of(id)
	run.endStep()
	r := l.find(id)
	if r == nil {
		return
	}
	l.dirty, l.touched = true, true
	switch {
	case err == nil:
		run.upSince = now()
		if r.Launch = serve.LaunchSucceeded; r.Teardown == "" {
			r.Message = ""
		}
		r.Instance, r.Address, r.LaunchedAt = instance.ID, instance.Address, instance.LaunchedAt
		l.memory = l.memory.LaunchSucceeded(r.Offer)
		if !instance.Running {
			// It was made before a crash, and has died since.
			l.lost(r, "it was gone when its launch was taken up again")
		}
	case r.Teardown != "":
		// The launch was called off; the teardown clears away what there is.
	case l.ctx.Err() != nil:
		// The controller is stopping; the next one takes the launch up again.
	case errors.Is(err, serve.ErrCapacity), errors.Is(err, serve.ErrQuota):
		l.memory = l.memory.LaunchFailed(now(), r.ID, r.Offer)
		r.Launch, r.Offer, r.Message = serve.LaunchWaiting, serve.Offer{}, err.Error()
	case errors.Is(err, serve.ErrInvalid), errors.Is(err, serve.ErrUnauthorized), r.Attempts+1 >= launchAttempts:
		r.Launch, r.Attempts = serve.LaunchFailed, r.Attempts+1
		l.end(r, serve.CauseProvision, err.Error())
	default:
		// Not for want of capacity, so nothing is held against the place.
		r.Attempts++
		r.Launch, r.Message = serve.LaunchPending, err.Error()
		run.notBefore = now().Add(backoff(r.Attempts, time.Second, time.Minute))
		l.note(serve.EventError, id, "Launch %d of %d of replica %d failed: %v", r.Attempts, launchAttempts, id, err)
	}
}

// end decides that a replica is to go. Requests under way get their time when
// its machine is expected to live that long.
func (l *loop) end(r *serve.Replica, cause serve.Cause, message string) {
	at := now()
	r.End(cause, at)
	if message != "" {
		r.Message = message
	}
	switch cause {
	case serve.CauseScaleDown, serve.CauseOutdated, serve.CauseRequested, serve.CauseDeleted:
		r.DrainUntil = at.Add(serve.Seconds(l.state.Spec.LoadBalancer.DrainTimeoutSeconds))
		r.Message = message // what ailed it before is not why it ends
	}
	run := l.of(r.ID)
	run.drained, run.notBefore = false, time.Time{}
	run.stopProbing()
	delete(l.settling, r.ID)
	l.dirty, l.touched = true, true
}

// drain waits until no request is under way to the replica, or its time is up.
func (l *loop) drain(r *serve.Replica, run *running, s step) func() {
	ctx := l.beginStep(run, s)
	id, until := r.ID, r.DrainUntil
	return func() {
		l.background(func() func() {
			patient, cancel := context.WithTimeout(ctx, max(until.Sub(now()), 0))
			defer cancel()
			l.c.o.Traffic.Drain(patient, id)
			if ctx.Err() != nil {
				return run.endStep // it has to end sooner, or the controller does
			}
			return func() {
				run.endStep()
				run.drained = true
				l.touched = true
				if r := l.find(id); r != nil {
					r.Ready = false
					l.route()
				}
				l.c.o.Traffic.Abort(id)
			}
		})
	}
}

// terminate asks the cloud to end the replica's machine.
func (l *loop) terminate(r *serve.Replica, run *running) func() {
	if r.Teardown == serve.TeardownScheduled {
		r.Teardown, l.touched = serve.TeardownRunning, true
	}
	ctx := l.beginStep(run, terminating)
	id, ref, clouds := r.ID, l.ref(r.ID), l.cloudsOf(*r)
	return func() {
		l.background(func() func() {
			l.keepLog(ctx, clouds, ref)
			// A call that never returns must show as a failure and be tried again.
			patient, cancel := context.WithTimeout(ctx, l.c.pace.teardown)
			defer cancel()
			var failed error
			for _, cloud := range clouds {
				failed = errors.Join(failed, cloud.Terminate(patient, ref))
			}
			return func() {
				run.endStep()
				l.ended(id, failed)
			}
		})
	}
}

// keepLog copies the log of a machine that is about to go into the archive. A
// log that cannot be had must not keep a machine alive.
func (l *loop) keepLog(ctx context.Context, clouds []serve.Cloud, ref serve.Ref) {
	if l.c.o.Archive == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.pace.log)
	defer cancel()
	for _, cloud := range clouds {
		log, err := cloud.Logs(ctx, ref, serve.LogOptions{Tail: archivedLines})
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { log.Close() })
		err = l.c.o.Archive.Keep(ctx, ref.Replica, log)
		stop()
		log.Close()
		if err != nil {
			l.c.o.Log.Warn("keeping the log of a replica failed", "replica", ref.Replica, "error", err)
		}
	}
}

// ended takes in how a teardown went. The record of a failure stays, as does
// that of a machine which could not be ended: it may still cost money.
func (l *loop) ended(id int64, err error) {
	r := l.find(id)
	if r == nil {
		return
	}
	run := l.of(id)
	l.dirty, l.touched = true, true
	switch {
	case err == nil && r.Cause.IsFailure():
		r.Teardown = serve.TeardownSucceeded
	case err == nil:
		l.remove(id)
		delete(l.replicas, id)
	case l.ctx.Err() != nil:
		// Stopping; the next controller goes on.
	default:
		run.failures++
		run.notBefore = now().Add(backoff(run.failures, l.c.pace.reteardown, 5*time.Minute))
		if run.failures >= teardownAttempts {
			r.Teardown = serve.TeardownFailed
		}
		r.Message = "Its machine could not be ended: " + err.Error()
		l.note(serve.EventError, id, "Ending the machine of replica %d failed, attempt %d: %v", id, run.failures, err)
	}
}

// cloud finds a cloud by name.
func (l *loop) cloud(name string) serve.Cloud {
	for _, cloud := range l.c.o.Clouds {
		if cloud.Name() == name {
			return cloud
		}
	}
	return nil
}

// cloudsOf gives the clouds that may hold a machine of r: the one it was last
// asked of, or all of them when that is not known any more.
func (l *loop) cloudsOf(r serve.Replica) []serve.Cloud {
	if cloud := l.cloud(r.Offer.Location.Cloud); cloud != nil {
		return []serve.Cloud{cloud}
	}
	return l.clouds()
}

// clouds gives the clouds that concern the service: the controller's own, and
// those that a remembered spec names or a replica is in. The others are not
// asked: one that nobody uses, and that may not even be configured, must not
// keep a service from being looked after.
func (l *loop) clouds() []serve.Cloud {
	named := map[string]bool{}
	for _, spec := range append(slices.Collect(maps.Values(l.state.Old)), l.state.Spec) {
		for _, entry := range spec.Resources.Entries() {
			named[entry.Location().Cloud] = true
		}
	}
	for _, r := range l.state.Replicas {
		named[r.Offer.Location.Cloud] = true
	}
	var used []serve.Cloud
	for i, cloud := range l.c.o.Clouds {
		if i == 0 || named[cloud.Name()] {
			used = append(used, cloud)
		}
	}
	return used
}

// failedRecords is how many records of failed replicas are kept for a person
// to look at.
const failedRecords = 10

// sweepRecords forgets failure records that are no use any more: those of old
// revisions once the newest one works, and all but the last few.
func (l *loop) sweepRecords() {
	works := false
	for _, r := range l.state.Replicas {
		works = works || r.Revision == l.state.Revision && r.Status() == serve.Ready
	}
	kept := 0
	for _, r := range slices.Backward(slices.Clone(l.state.Replicas)) {
		if r.Teardown != serve.TeardownSucceeded {
			continue
		}
		if kept++; kept > failedRecords || works && r.Revision < l.state.Revision {
			l.remove(r.ID)
			delete(l.replicas, r.ID)
		}
	}
	for revision := range l.state.Old {
		if revision != l.state.Good && !l.inUse(revision) {
			delete(l.state.Old, revision)
			l.touched = true
		}
	}
}

// inUse reports whether a replica is still of the revision.
func (l *loop) inUse(revision int64) bool {
	for _, r := range l.state.Replicas {
		if r.Revision == revision {
			return true
		}
	}
	return false
}
