// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/policy"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// loop is the state of a running controller. Only the goroutine in run touches
// it; everything else reaches it by Controller.post.
type loop struct {
	c       *Controller
	ctx     context.Context
	workers *sync.WaitGroup

	state  serve.State
	memory policy.Memory
	// busy are looks at how long requests were under way, of the last minute.
	busy []busy
	// tolls are what failures of replicas have cost requests, as far as it is not in
	// the ledger.
	tolls map[int64]tolled
	// metric is the external metric that is asked for, nil without one.
	metric *metric
	plan   policy.Output
	offers offers

	// replicas holds what is known of each replica that need not survive a crash.
	replicas map[int64]*running
	// settling names the replicas a restarted controller must hear from before
	// it may judge: until then policy is not asked.
	settling map[int64]bool
	// listening names the clouds whose notices are being heard.
	listening map[string]bool
	// recovered says that the clouds have been asked what is there.
	recovered bool
	// verifying says that a cloud is being asked whether a replica still exists.
	verifying bool
	// looking says that the clouds will be asked again after a while.
	looking bool

	// sweeping names the orphans being ended, and orphans those of them that wait for
	// a save; finishing says that the clouds are being asked whether anything of a
	// deleted service is left.
	sweeping  map[serve.Ref]bool
	orphans   []serve.Ref
	finishing bool

	// dirty asks for an evaluation, touched for a save.
	dirty, touched bool
	events         []serve.Event
	lastEvent      int64
	// shown is the status each replica had when it was last told.
	shown map[int64]serve.Status
	// unsaved counts failed saves in a row; no step is started while it is not 0.
	unsaved int
	timer   *time.Timer
	// routed is the set of backends the balancer has, once it was given any.
	routed     []balancer.Backend
	everRouted bool
}

// running is what the loop knows of a replica beyond its record.
type running struct {
	// step is what is being done with the replica now, and stop ends it early.
	step step
	stop context.CancelFunc
	// prober asks the replica whether it is ready.
	prober *prober
	// failures counts failed teardowns in a row; notBefore delays the next step.
	failures  int
	notBefore time.Time
	// upSince is when its launch returned here; zero for a machine that an
	// earlier controller launched.
	upSince time.Time
	// drained says that no request is under way to the replica any more.
	drained bool
}

func newLoop(ctx context.Context, c *Controller, workers *sync.WaitGroup, state serve.State) *loop {
	l := &loop{
		c: c, ctx: ctx, workers: workers, state: state,
		replicas:  map[int64]*running{},
		settling:  map[int64]bool{},
		listening: map[string]bool{},
		sweeping:  map[serve.Ref]bool{},
		shown:     map[int64]serve.Status{},
		tolls:     map[int64]tolled{},
		timer:     time.NewTimer(time.Hour),
	}
	for _, r := range state.Replicas {
		l.shown[r.ID] = r.Status() // what the controller before has told
	}
	if len(state.Memory) > 0 {
		if err := json.Unmarshal(state.Memory, &l.memory); err != nil {
			// A memory that cannot be read costs some comfort (delays begin anew),
			// never safety, so it must not keep a service down.
			l.note(serve.EventError, 0, "The policy's memory could not be read and begins anew: %v", err)
		}
	}
	return l
}

// run takes turns until the context ends or the store is lost to another.
func (l *loop) run() error {
	defer l.timer.Stop()
	if l.state.UID != "" {
		l.begin()
		l.publish()
	}
	close(l.c.started)
	for {
		if err := l.turn(); err != nil {
			return err
		}
		select {
		case <-l.ctx.Done():
			return nil
		case f := <-l.c.inbox:
			f()
			l.drainInbox()
		case <-l.timer.C:
			l.dirty = true
		}
	}
}

// drainInbox takes what else has arrived, so that a burst (many replicas lost
// at once) costs one turn and one save.
func (l *loop) drainInbox() {
	for range cap(l.c.inbox) {
		select {
		case f := <-l.c.inbox:
			f()
		default:
			return
		}
	}
}

// turn brings the world one step on; see the package comment.
func (l *loop) turn() error {
	if l.state.UID == "" && !l.touched {
		return nil // there is no service, and there was none
	}
	l.route()
	l.noteStatuses() // what happened comes before what is decided because of it
	if l.dirty && l.judging() {
		l.consult()
		l.route()
	}
	steps := l.advance()
	l.sweepRecords()
	l.finish()
	if !l.offers.refreshAt.IsZero() && !now().Before(l.offers.refreshAt) {
		l.refreshOffers()
	}
	l.noteStatuses()
	err := l.save()
	if errors.Is(err, serve.ErrConflict) {
		return err
	}
	l.publish()
	for _, s := range steps {
		if err != nil {
			s.run.endStep() // not begun: an intent that is not stored is not acted on
			continue
		}
		s.start()
	}
	if err == nil {
		l.endOrphans()
	}
	l.setTimer()
	return nil
}

// judging reports whether policy may be asked: the service is to live, and
// enough is known of it.
func (l *loop) judging() bool {
	return l.recovered && len(l.settling) == 0 && !l.state.Deleting && l.offers.known
}

// save stores the state if this turn changed it. An error means that it is not
// stored, and will be with the next turn.
func (l *loop) save() error {
	l.account()
	if !l.touched && len(l.events) == 0 {
		return nil
	}
	memory, err := json.Marshal(l.memory)
	if err != nil {
		return fmt.Errorf("encoding the policy's memory: %w", err)
	}
	l.state.Memory = memory
	version, last, err := l.c.o.Store.Save(l.ctx, l.state, l.events)
	switch {
	case err == nil:
		l.state.Version, l.lastEvent = version, last
		l.events, l.touched, l.unsaved = nil, false, 0
		return nil
	case errors.Is(err, serve.ErrConflict):
		return fmt.Errorf("saving the state of service %q: another controller has taken over: %w", l.state.Name, err)
	default:
		l.unsaved++
		l.c.o.Log.Error("saving the state failed; nothing is launched or ended until it succeeds", "error", err)
		return fmt.Errorf("saving the state of service %q: %w", l.state.Name, err)
	}
}

// setTimer arms the timer for the next moment at which something may be due
// although nothing happens before.
func (l *loop) setTimer() {
	var at time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if l.judging() {
		earlier(l.plan.Next)
		if l.dirty {
			earlier(now()) // this turn itself gave a reason to ask policy again
		}
	}
	if l.recovered {
		for _, r := range l.replicas {
			earlier(r.notBefore)
		}
	}
	for _, r := range l.state.Replicas {
		if at := l.leaves(r); r.Ready && now().Before(at) {
			earlier(at)
		}
	}
	earlier(l.offers.refreshAt)
	wait := time.Hour
	if !at.IsZero() {
		wait = max(at.Sub(now()), time.Millisecond)
	}
	if l.unsaved > 0 {
		wait = min(wait, backoff(l.unsaved, 100*time.Millisecond, 10*time.Second))
	}
	l.timer.Reset(wait)
}

// find gives the record of a replica, nil when there is none.
func (l *loop) find(id int64) *serve.Replica { return l.state.Find(id) }

// of gives what is known of a running replica, making it on first use.
func (l *loop) of(id int64) *running {
	r := l.replicas[id]
	if r == nil {
		r = &running{}
		l.replicas[id] = r
	}
	return r
}

// ref is what the machine of a replica is tagged with.
func (l *loop) ref(id int64) serve.Ref {
	return serve.Ref{Service: l.state.Name, UID: l.state.UID, Replica: id}
}

// note adds a line to the history, saved at the end of the turn.
func (l *loop) note(kind serve.EventKind, id int64, format string, args ...any) {
	l.record(serve.Event{Kind: kind, ReplicaID: id, Message: fmt.Sprintf(format, args...)})
}

func (l *loop) record(e serve.Event) {
	e.At = now()
	l.events = append(l.events, e)
	l.c.o.Log.Info("event", "kind", e.Kind, "replica", e.ReplicaID, "message", e.Message)
}

// noteStatuses records every change of a replica's state since it was last asked.
func (l *loop) noteStatuses() {
	seen := map[int64]bool{}
	for _, r := range l.state.Replicas {
		seen[r.ID] = true
		from, to := l.shown[r.ID], r.Status()
		if from == to {
			continue
		}
		l.shown[r.ID] = to
		e := serve.Event{Kind: serve.EventStatus, ReplicaID: r.ID, From: from, To: to}
		e.Message = fmt.Sprintf("Replica %d is %s", r.ID, to)
		if r.Message != "" {
			e.Message += ": " + r.Message
		}
		l.record(e)
	}
	for id, from := range l.shown {
		if !seen[id] {
			delete(l.shown, id)
			delete(l.replicas, id)
			l.record(serve.Event{Kind: serve.EventStatus, ReplicaID: id, From: from,
				Message: fmt.Sprintf("Replica %d is gone", id)})
		}
	}
}

// remove forgets a replica.
func (l *loop) remove(id int64) {
	l.state.Replicas = slices.DeleteFunc(l.state.Replicas, func(r serve.Replica) bool { return r.ID == id })
	l.touched, l.dirty = true, true
}

// background runs f in a goroutine that run waits for, and hands what it
// returns to the loop.
func (l *loop) background(f func() func()) {
	l.workers.Go(func() {
		if then := f(); then != nil {
			l.c.post(l.ctx, then)
		}
	})
}

// backoff gives the wait after the n-th failure in a row: first, growing by
// 1.6 with each, at most limit.
func backoff(n int, first, limit time.Duration) time.Duration {
	wait := float64(first)
	for range n - 1 {
		wait *= 1.6
		if wait >= float64(limit) {
			return limit
		}
	}
	return time.Duration(wait)
}
