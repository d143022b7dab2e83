// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// maxRepose is the longest pause between two tries to reach a machine that the
// vendor says is there.
const maxRepose = 15 * time.Second

// inbox holds what was launched until somebody looks.
type inbox struct {
	service string
	wake    chan struct{}
	// items are guarded by the lock of the Fleet, and so is ended: the replicas whose
	// machines were ended while they were listed.
	items []serve.Instance
	ended map[serve.Ref]bool
}

func (in *inbox) put(i serve.Instance) {
	in.items = append(in.items, i)
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// listen gives an inbox of the service's machines, with those that are there.
func (f *Fleet) listen(service string) (in *inbox, end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	in = &inbox{service: service, wake: make(chan struct{}, 1), ended: map[serve.Ref]bool{}}
	for ref, i := range f.live {
		if ref.Service == service {
			in.put(i)
		}
	}
	f.listeners[in] = struct{}{}
	return in, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, in)
	}
}

// take empties an inbox.
func (f *Fleet) take(in *inbox) []serve.Instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	items := in.items
	in.items = nil
	return items
}

// adopt takes on what was found for an inbox, but for what somebody has ended
// meanwhile. One that is not running is being launched, or is gone already, which
// those who have listed it know.
func (f *Fleet) adopt(in *inbox, found []serve.Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range found {
		if _, known := f.live[i.Ref]; known || !i.Running || in.ended[i.Ref] || f.ending[i.Ref] > 0 {
			continue
		}
		f.keep(i)
	}
	in.ended = nil
}

// Notices hears from every machine of the service what it has to tell, and asks the
// vendor about those that it does not hear from any more. Vendors do not tell when
// there is capacity again.
func (f *Fleet) Notices(ctx context.Context, service string, tell func(serve.Notice)) error {
	in, end := f.listen(service)
	defer end()
	found, err := f.vendor.List(ctx, service)
	if err != nil {
		return fmt.Errorf("listening to the machines of service %q: %w", service, err)
	}
	f.adopt(in, found)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := notices{fleet: f, tell: tell}
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		for _, i := range f.take(in) {
			all.Go(func() { n.follow(ctx, i) })
		}
		select {
		case <-in.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notices is one call of Notices.
type notices struct {
	fleet *Fleet
	mu    sync.Mutex
	tell  func(serve.Notice)
}

// say tells about a machine, unless somebody has asked for its end.
func (n *notices) say(i serve.Instance, notice serve.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ours(i) {
		notice.Ref = i.Ref
		n.tell(notice)
	}
}

// ours reports whether the machine is still the replica's, as far as anybody here
// has decided.
func (n *notices) ours(i serve.Instance) bool {
	now, ok := n.fleet.known(i.Ref)
	return ok && now.ID == i.ID
}

// follow tells about one machine until it is gone.
func (n *notices) follow(ctx context.Context, i serve.Instance) {
	var told told
	for pause := time.Second; n.ours(i); pause = min(2*pause, maxRepose) {
		began := time.Now()
		err := n.watch(ctx, i, &told)
		if ctx.Err() != nil || !n.ours(i) {
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second // it did talk
		}
		gone, why, asked := n.fleet.vendor.Gone(ctx, i)
		switch {
		case ctx.Err() != nil:
			return
		case asked == nil && gone:
			n.say(i, serve.Notice{Kind: serve.NoticeGone, Detail: why})
			return
		}
		// Unreachable is not gone: the probes say what that means for the replica.
		n.fleet.log.WarnContext(ctx, "a machine is not heard from", "replica", i.Ref.Replica, "instance", i.ID, "error", errors.Join(err, asked))
		if !turns.Sleep(ctx, pause) {
			return
		}
	}
}

// told is what was told of a machine already.
type told struct {
	exited, risk bool
	// revision is that of the program whose end was told.
	revision int64
	deadline time.Time
}

// watch tells what the machine says of itself until it says no more.
func (n *notices) watch(ctx context.Context, i serve.Instance, told *told) error {
	m, err := n.fleet.machine(i.Ref, i.Address)
	if err != nil {
		return err
	}
	return m.Watch(ctx, func(state agent.State) bool {
		for _, w := range state.Warnings {
			n.warn(i, w, told)
		}
		if state.Phase == agent.PhaseExited && (!told.exited || told.revision != state.Revision) {
			told.exited, told.revision = true, state.Revision
			n.say(i, serve.Notice{Kind: serve.NoticeExited, ExitCode: state.ExitCode, Detail: string(state.Last), Revision: state.Revision})
		}
		return n.ours(i)
	})
}

// warn tells of a warning, once.
func (n *notices) warn(i serve.Instance, w agent.Warning, told *told) {
	switch w.Kind {
	case agent.WarningInterruption, agent.WarningShutdown:
		if told.deadline.IsZero() || w.Deadline.Before(told.deadline) {
			told.deadline = w.Deadline
			n.say(i, serve.Notice{Kind: serve.NoticeInterruption, Deadline: w.Deadline, Detail: w.Detail})
		}
	case agent.WarningRebalance:
		if !told.risk {
			told.risk = true
			n.say(i, serve.Notice{Kind: serve.NoticeRisk, Detail: w.Detail})
		}
	case agent.WarningScaling: // no group but those of others ends machines so
	}
}
