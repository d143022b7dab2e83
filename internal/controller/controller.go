// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package controller keeps one service alive. It observes (probes, notices,
// traffic), asks the policy what follows, and carries that out against clouds
// and the balancer, for as long as the service exists.
//
// One goroutine, the loop, owns all state. Whatever else goes on — launching,
// probing, draining, listening to a cloud — runs in goroutines of its own and
// hands its result to the loop as a message. After every message the loop
// takes a turn:
//
//	route    push the set of ready replicas to the balancer
//	plan     ask policy, turn its decisions into records
//	advance  see which replica needs which step next
//	save     store the new state and the events of this turn, in one stroke
//	start    only now begin the steps
//
// So the intent is stored before a cloud is asked, and a controller killed at
// any instant finds, when it starts again, at least what it had begun; see
// recover.go. Nothing is polled that can tell: a lost replica is out of the
// balancer and its replacement asked for within the turn that hears of it.
//
// [Controller] implements [serve.Client], so that what a program does with a
// controller in its own process and with one across a network is the same.
package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Bundles holds the archives that a spec names by digest.
type Bundles interface {
	// Has reports whether the bundle is there.
	Has(digest string) (bool, error)
	// Put stores a bundle; serve.ErrInvalid if the content has another digest.
	Put(digest string, content io.Reader) error
	// Open reads a bundle; serve.ErrNotFound if it is not there.
	Open(digest string) (io.ReadCloser, error)
	// Keep removes every bundle but these.
	Keep(digests ...string) error
}

// Options is what a controller is made of.
type Options struct {
	// Service is the name of the one service this controller is for.
	Service string
	Store   serve.Store
	// Clouds are those machines can be had from. The first is the controller's
	// own: it is where an entry of the resources looks that names no cloud.
	Clouds  []serve.Cloud
	Bundles Bundles
	// Traffic is the way from clients to replicas.
	Traffic Traffic
	// Archive keeps the logs of replicas that are gone; nil keeps none.
	Archive Archive
	// OwnLog opens the controller's own log; nil if there is none to show.
	OwnLog func(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error)
	// StatusPage is the URL at which browsers are shown the service; empty if there is
	// none.
	StatusPage string
	// Launches bounds how many launches and teardowns run at once, where a
	// teardown counts half; 0 means 16.
	Launches int
	Log      *slog.Logger
}

// Controller keeps one service alive while Run runs. Its methods are safe for
// concurrent use.
type Controller struct {
	o     Options
	inbox chan func()
	// started is closed when it is known whether there is a service.
	started chan struct{}
	// stopped is closed when Run has returned: nobody reads the inbox any more.
	stopped chan struct{}
	// given holds a value when clouds may have been given other credentials.
	given chan struct{}
	view  atomic.Pointer[view]
	loop  *loop
	pace  pace
}

// pace is how long things may take, and after which pause they are tried again.
// It belongs to a controller so that tests need not wait for it.
type pace struct {
	// log is what reading a replica's log gets before its end, teardown what the
	// cloud gets to end its machine, and reteardown is the first pause after a
	// teardown that failed.
	log, teardown, reteardown time.Duration
	// farewell is how long before its machine is taken a replica gets its last
	// new request; a quarter of the notice where that is less.
	farewell time.Duration
	// waking is how long a request may wait for a service that sleeps, and
	// replacing how long for one that has just lost all of its replicas.
	waking, replacing time.Duration
	// metric is the pause between two questions for an external metric.
	metric time.Duration
	// straggler is how long after the end of a controller a machine may appear
	// that it has asked for: it was stopped in the middle of its call, and went on.
	straggler time.Duration
}

var _ serve.Client = (*Controller)(nil)

// New makes a controller. It does nothing until Run is called.
func New(o Options) *Controller {
	if o.Launches == 0 {
		o.Launches = 16
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Controller{
		o: o, inbox: make(chan func(), 64), started: make(chan struct{}), stopped: make(chan struct{}), given: make(chan struct{}, 1),
		pace: pace{
			log: 10 * time.Second, teardown: 20 * time.Minute, reteardown: 5 * time.Second,
			farewell: 10 * time.Second, waking: 120 * time.Second, replacing: 30 * time.Second, metric: metricPause, straggler: time.Minute,
		},
	}
	c.view.Store(&view{changed: make(chan struct{})})
	o.Traffic.Attach(
		func() { c.nudge(func(l *loop) { l.dirty = true }) },
		func(id int64) { c.nudge(func(l *loop) { l.suspect(id) }) },
	)
	return c
}

// Run keeps the service alive until ctx ends, which leaves all replicas
// running for the next controller to adopt. It returns serve.ErrConflict when
// another controller has taken over the store, and nil when ctx ended. A
// controller whose endpoint breaks ends too, for another one to take its place.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.stopped)
	state, err := c.o.Store.Load(ctx)
	if err != nil && !errors.Is(err, serve.ErrNotFound) {
		return fmt.Errorf("loading the state of service %q: %w", c.o.Service, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	c.o.Traffic.SetDial(Dial(c.o.Clouds))
	c.loop = newLoop(ctx, c, &workers, state)
	var broken error
	workers.Go(func() {
		defer cancel()
		broken = c.o.Traffic.Serve(ctx)
	})
	workers.Go(c.loop.followKeys)
	err = c.loop.run()
	cancel()
	workers.Wait()
	return errors.Join(err, broken)
}

// post hands f to the loop; it reports false when the loop has ended.
func (c *Controller) post(ctx context.Context, f func()) bool {
	select {
	case c.inbox <- f:
		return true
	case <-ctx.Done():
		return false
	case <-c.stopped:
		return false
	}
}

// nudge hands f to the loop if it has room, and forgets it otherwise: for hints
// from the request path, which must not wait and will be given again.
func (c *Controller) nudge(f func(*loop)) {
	select {
	case c.inbox <- func() { f(c.loop) }:
	default:
	}
}

// do runs f on the loop and waits for its result.
func (c *Controller) do(ctx context.Context, f func(*loop) error) error {
	done := make(chan error, 1)
	if !c.post(ctx, func() { done <- f(c.loop) }) {
		return c.gone(ctx)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stopped:
		return c.gone(ctx)
	}
}

func (c *Controller) gone(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the controller of service %q has stopped: %w", c.o.Service, serve.ErrUnreachable)
}

// now is the one clock of the package.
func now() time.Time { return time.Now().UTC().Round(0) }
