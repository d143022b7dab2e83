// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// maxRepose is the longest pause between two tries to reach a machine that EC2
// says is running.
const maxRepose = 15 * time.Second

// inbox holds what was launched until somebody looks.
type inbox struct {
	service string
	wake    chan struct{}
	// items are guarded by the lock of the Cloud, and so is ended: the replicas whose
	// machines were ended while they were listed.
	items []sighting
	ended map[serve.Ref]bool
}

func (in *inbox) put(s sighting) {
	in.items = append(in.items, s)
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// listen gives an inbox of the service's instances, with those that are there.
func (c *Cloud) listen(service string) (in *inbox, end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in = &inbox{service: service, wake: make(chan struct{}, 1), ended: map[serve.Ref]bool{}}
	for ref, s := range c.live {
		if ref.Service == service {
			in.put(s)
		}
	}
	c.listeners[in] = struct{}{}
	return in, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.listeners, in)
	}
}

// take empties an inbox.
func (c *Cloud) take(in *inbox) []sighting {
	c.mu.Lock()
	defer c.mu.Unlock()
	items := in.items
	in.items = nil
	return items
}

// adopt takes on what was found for an inbox, but for what somebody has ended
// meanwhile. One that is not running is being launched, or is gone already, which
// those who have listed it know.
func (c *Cloud) adopt(in *inbox, found []sighting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range found {
		if _, known := c.live[s.Ref]; known || !s.Running || in.ended[s.Ref] || c.ending[s.Ref] > 0 {
			continue
		}
		c.keep(s)
	}
	in.ended = nil
}

// Notices hears from every machine of the service what it has to tell, and asks EC2
// about those that it does not hear from any more. AWS does not tell when there
// is capacity again.
func (c *Cloud) Notices(ctx context.Context, service string, tell func(serve.Notice)) error {
	in, end := c.listen(service)
	defer end()
	found, err := c.list(ctx, service)
	if err != nil {
		return fmt.Errorf("listening to the machines of service %q: %w", service, err)
	}
	c.adopt(in, found)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := notices{cloud: c, tell: tell}
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		for _, s := range c.take(in) {
			all.Go(func() { n.follow(ctx, s) })
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
	cloud *Cloud
	mu    sync.Mutex
	tell  func(serve.Notice)
}

// say tells about an instance, unless somebody has asked for its end.
func (n *notices) say(s sighting, notice serve.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ours(s) {
		notice.Ref = s.Ref
		n.tell(notice)
	}
}

// ours reports whether the instance is still the replica's, as far as anybody here
// has decided.
func (n *notices) ours(s sighting) bool {
	now, ok := n.cloud.known(s.Ref)
	return ok && now.ID == s.ID
}

// follow tells about one instance until it is gone.
func (n *notices) follow(ctx context.Context, s sighting) {
	var told told
	for pause := time.Second; n.ours(s); pause = min(2*pause, maxRepose) {
		began := time.Now()
		err := n.watch(ctx, s, &told)
		if ctx.Err() != nil || !n.ours(s) {
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second // it did talk
		}
		gone, why, asked := n.cloud.ask(ctx, s)
		switch {
		case ctx.Err() != nil:
			return
		case asked == nil && gone:
			n.say(s, serve.Notice{Kind: serve.NoticeGone, Detail: why})
			return
		}
		// Unreachable is not gone: the probes say what that means for the replica.
		n.cloud.log.WarnContext(ctx, "a machine is not heard from", "replica", s.Ref.Replica, "instance", s.ID, "error", errors.Join(err, asked))
		if !sleep(ctx, pause) {
			return
		}
	}
}

// told is what was told of an instance already.
type told struct {
	exited, risk bool
	// revision is that of the program whose end was told.
	revision int64
	deadline time.Time
}

// watch tells what the machine says of itself until it says no more.
func (n *notices) watch(ctx context.Context, s sighting, told *told) error {
	m, err := n.cloud.machine(s.Ref, s.Address)
	if err != nil {
		return err
	}
	return m.Watch(ctx, func(state agent.State) bool {
		for _, w := range state.Warnings {
			n.warn(s, w, told)
		}
		if state.Phase == agent.PhaseExited && (!told.exited || told.revision != state.Revision) {
			told.exited, told.revision = true, state.Revision
			n.say(s, serve.Notice{Kind: serve.NoticeExited, ExitCode: state.ExitCode, Detail: string(state.Last), Revision: state.Revision})
		}
		return n.ours(s)
	})
}

// warn tells of a warning, once.
func (n *notices) warn(s sighting, w agent.Warning, told *told) {
	switch w.Kind {
	case agent.WarningInterruption, agent.WarningShutdown:
		if told.deadline.IsZero() || w.Deadline.Before(told.deadline) {
			told.deadline = w.Deadline
			n.say(s, serve.Notice{Kind: serve.NoticeInterruption, Deadline: w.Deadline, Detail: w.Detail})
		}
	case agent.WarningRebalance:
		if !told.risk {
			told.risk = true
			n.say(s, serve.Notice{Kind: serve.NoticeRisk, Detail: w.Detail})
		}
	case agent.WarningScaling: // no group but those of others ends machines so
	}
}

// ask asks EC2 whether an instance is gone, and why. One that is not described is
// gone when it was there long enough to be.
func (c *Cloud) ask(ctx context.Context, s sighting) (gone bool, why string, err error) {
	at, err := c.account.in(ctx, s.region)
	if err != nil {
		return false, "", err
	}
	i, err := at.until(ctx, s.ID, func(*types.Instance) (bool, error) { return true, nil })
	if err != nil {
		return false, "", err
	}
	switch stateOf(i) {
	case types.InstanceStateNamePending, types.InstanceStateNameRunning:
		return false, "", nil
	case "":
		return time.Since(s.LaunchedAt) > blindness, "EC2 does not know its instance any more", nil
	}
	why = "its instance is " + string(stateOf(i))
	if i.StateReason != nil && i.StateReason.Message != nil {
		why += ": " + *i.StateReason.Message
	}
	return true, why, nil
}
