// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// listen hears what the clouds have to tell about the service's machines.
func (l *loop) listen() {
	for _, cloud := range l.clouds() {
		if l.listening[cloud.Name()] {
			continue
		}
		l.listening[cloud.Name()] = true
		l.workers.Go(func() {
			for failures := 1; ; failures++ {
				began := now()
				err := cloud.Notices(l.ctx, l.c.o.Service, func(n serve.Notice) {
					l.c.post(l.ctx, func() { l.noticed(n) })
				})
				if l.ctx.Err() != nil {
					return
				}
				if now().Sub(began) > time.Minute {
					failures = 1 // it did listen
				}
				// Notices may have been missed: look for ourselves before listening again.
				l.c.o.Log.Warn("listening to a cloud was interrupted", "cloud", cloud.Name(), "error", err)
				l.c.post(l.ctx, l.verify)
				if !sleep(l.ctx, backoff(failures, time.Second, time.Minute)) {
					return
				}
			}
		})
	}
}

// sleep waits, and reports false when the context ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// noticed takes in one notice.
func (l *loop) noticed(n serve.Notice) {
	if n.Kind == serve.NoticeCapacity {
		l.memory = l.memory.CapacityReturned(n.Location, n.Market)
		l.dirty, l.touched = true, true
		l.note(serve.EventNotice, 0, "There may be %s machines in %s again", marketWord(n.Market), n.Location)
		return
	}
	if n.Ref.UID != l.state.UID {
		return
	}
	r := l.find(n.Ref.Replica)
	if r == nil || r.Teardown == serve.TeardownSucceeded {
		return
	}
	switch n.Kind {
	case serve.NoticeInterruption:
		l.interrupted(r, n)
	case serve.NoticeRisk:
		l.doubted(r, n)
	case serve.NoticeGone:
		l.lost(r, n.Detail)
	case serve.NoticeExited:
		l.exited(r, n)
	}
}

// untoldNotice is how long a machine is taken to live on after a notice that
// does not say: the shortest notice any of the clouds gives.
const untoldNotice = 30 * time.Second

// interrupted acts on the warning that a machine will be taken: its replacement
// is launched now, no new request goes there unless others are too few, and what
// is under way has until the deadline.
func (l *loop) interrupted(r *serve.Replica, n serve.Notice) {
	if r.Teardown != "" {
		return
	}
	if n.Deadline.IsZero() {
		n.Deadline = now().Add(untoldNotice)
	}
	l.note(serve.EventNotice, r.ID, "The machine of replica %d will be taken at %s", r.ID, n.Deadline.Format(time.TimeOnly))
	if r.Market == serve.Spot {
		l.memory = l.memory.Preempted(now(), r.Offer, max(0, n.Deadline.Sub(now())))
	}
	l.end(r, serve.CausePreempted, "Its machine will be taken at "+n.Deadline.Format(time.TimeOnly))
	r.DrainUntil = n.Deadline
}

// doubted takes in that the cloud may take a machine. It goes on as it is: to give it
// up would cost one machine for each warning, and most come to nothing. But what is
// launched meanwhile had better be elsewhere.
func (l *loop) doubted(r *serve.Replica, n serve.Notice) {
	if r.Teardown != "" || r.Market != serve.Spot {
		return
	}
	message := fmt.Sprintf("The machine of replica %d may be taken", r.ID)
	if n.Detail != "" {
		message += ": " + n.Detail
	}
	l.note(serve.EventNotice, r.ID, "%s", message)
	l.memory = l.memory.Doubted(now(), r.Offer)
	l.dirty, l.touched = true, true
}

// lost acts on a machine that is not there any more. Its replica is replaced at
// once: what is gone does not come back, in either market.
func (l *loop) lost(r *serve.Replica, detail string) {
	defer func() {
		// Out of the balancer first, so that what is given up now is tried elsewhere.
		r.Ready = false
		l.route()
		l.c.o.Traffic.Abort(r.ID)
	}()
	if r.Teardown != "" {
		r.DrainUntil = now() // its end was decided before; there is nothing left to wait for
		return
	}
	cause, message := serve.CauseLost, "Its machine is gone"
	if r.Market == serve.Spot {
		cause, message = serve.CausePreempted, "Its spot machine was taken"
		l.memory = l.memory.Preempted(now(), r.Offer, 0)
	}
	if detail != "" {
		message += ": " + detail
	}
	l.note(serve.EventNotice, r.ID, "Replica %d: %s", r.ID, message)
	l.end(r, cause, message)
}

// exited acts on the end of setup or run. A failure is final for the replica; a
// run that ends well is not one by itself, as it may have left a server in the
// background: the probes will tell.
func (l *loop) exited(r *serve.Replica, n serve.Notice) {
	if r.Teardown != "" || r.Restart != "" || n.Revision != 0 && n.Revision != r.Revision {
		return // it was to end, or has ended already
	}
	message := fmt.Sprintf("%s ended with exit code %d", orRun(n.Detail), n.ExitCode)
	l.note(serve.EventNotice, r.ID, "Replica %d: %s", r.ID, message)
	if n.ExitCode != 0 {
		l.end(r, serve.CauseAppFailed, message)
		return
	}
	r.Exited, r.Message = message, message
	l.touched = true
	l.suspect(r.ID)
}

func orRun(what string) string {
	if what == "" {
		return "run"
	}
	return what
}

// verifyPause is the least time between two questions to a cloud about which
// machines there are, outside of recovery.
const verifyPause = 10 * time.Second

// verify asks the clouds whether every machine is still there: a probe has
// failed, or notices may have been missed.
func (l *loop) verify() {
	if l.verifying {
		return
	}
	l.verifying = true
	clouds, known := l.clouds(), l.recorded()
	l.background(func() func() {
		found, _ := l.list(l.ctx, clouds)
		found.recorded = known
		wait := time.NewTimer(verifyPause)
		defer wait.Stop()
		l.c.post(l.ctx, func() {
			l.compare(found)
			if len(found.silent) > 0 {
				l.lookAgain()
			}
		})
		select {
		case <-wait.C:
		case <-l.ctx.Done():
		}
		return func() { l.verifying = false }
	})
}

// compare finds replicas whose machine is not listed as running. Those that came
// up after the list was asked for are not judged by it; by our clock, as that of
// a cloud may differ and tells when a launch began.
func (l *loop) compare(found inventory) {
	l.sweepOrphans(found)
	for i := range l.state.Replicas {
		r := &l.state.Replicas[i]
		if r.Launch != serve.LaunchSucceeded || r.Teardown != "" || !found.knows(r) || !l.of(r.ID).upSince.Before(found.asked) {
			continue
		}
		if instance, ok := found.machines[l.ref(r.ID)]; !ok || !instance.Running {
			l.lost(r, "the cloud does not list it as running")
		}
	}
}

// askTimeout is how long the clouds may take to say what there is, or what they
// offer. Policy waits for the answers, and must not do so for ever.
const askTimeout = time.Minute

// inventory is what the clouds said there is.
type inventory struct {
	asked    time.Time
	machines map[serve.Ref]serve.Instance
	// recorded are those that had a record when they were asked for.
	recorded map[serve.Ref]bool
	// silent are the clouds that did not answer. What they have is not known: a machine
	// must never be thought gone because nobody could say.
	silent map[string]bool
}

// knows reports whether the cloud that a replica is in has answered.
func (i inventory) knows(r *serve.Replica) bool { return !i.silent[r.Offer.Location.Cloud] }

// list asks all clouds at once, and gives what those that answer say with the error of
// the others.
func (l *loop) list(ctx context.Context, clouds []serve.Cloud) (inventory, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	inv := inventory{asked: now(), machines: map[serve.Ref]serve.Instance{}, silent: map[string]bool{}}
	answers, errs := make([][]serve.Instance, len(clouds)), make([]error, len(clouds))
	var all sync.WaitGroup
	for i, cloud := range clouds {
		all.Go(func() { answers[i], errs[i] = cloud.List(ctx, l.c.o.Service) })
	}
	all.Wait()
	for i, cloud := range clouds {
		if errs[i] != nil {
			inv.silent[cloud.Name()] = true
			errs[i] = fmt.Errorf("listing the machines in %s: %w", cloud.Name(), errs[i])
			continue
		}
		for _, instance := range answers[i] {
			inv.machines[instance.Ref] = instance
		}
	}
	return inv, errors.Join(errs...)
}
