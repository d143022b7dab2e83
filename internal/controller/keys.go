// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// How long it is waited before credentials that were not let in are shown again: clouds
// take a while to know new ones.
const (
	firstRenewal = 5 * time.Second
	lastRenewal  = 5 * time.Minute
)

// Renew has every cloud be shown what is given for it now. It is to be called when that
// may have changed, and does not wait; the history says what came of it.
func (c *Controller) Renew() {
	select {
	case c.given <- struct{}{}:
	default: // somebody has said so already, and nobody has looked since
	}
}

// followKeys does so each time, until the context ends. What is given while something
// else is being tried takes its place.
func (l *loop) followKeys() {
	var trials sync.WaitGroup
	defer trials.Wait()
	stop := func() {}
	for {
		select {
		case <-l.c.given:
		case <-l.ctx.Done():
			stop()
			return
		}
		stop()
		trials.Wait()
		stop = l.tryKeys(&trials)
	}
}

// tryKeys has the clouds be shown what is given, all at once, until stop is called.
func (l *loop) tryKeys(trials *sync.WaitGroup) (stop func()) {
	ctx, stop := context.WithCancel(l.ctx)
	for _, cloud := range l.c.o.Clouds {
		if k, ok := cloud.(serve.Keyholder); ok {
			trials.Go(func() { l.tryKey(ctx, cloud.Name(), k) })
		}
	}
	return stop
}

// tryKey has one cloud be shown what is given, for as long as it takes.
func (l *loop) tryKey(ctx context.Context, cloud string, k serve.Keyholder) {
	for failures := 1; ; failures++ {
		trial, cancel := context.WithTimeout(ctx, askTimeout)
		changed, err := k.Renew(trial)
		cancel()
		switch {
		case ctx.Err() != nil || err == nil && !changed:
			return
		case err == nil:
			l.c.post(l.ctx, func() {
				l.note(serve.EventNotice, 0, "The cloud %s is shown other credentials from now on", cloud)
			})
			return
		case failures == 1:
			l.c.post(l.ctx, func() {
				l.note(serve.EventError, 0, "The credentials that were given last for the cloud %s are not used yet, and those before still are: %v", cloud, err)
			})
		default:
			l.c.o.Log.Warn("credentials were not let in; trying again", "cloud", cloud, "error", err)
		}
		if !sleep(ctx, backoff(failures, firstRenewal, lastRenewal)) {
			return
		}
	}
}
