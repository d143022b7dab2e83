// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"sync"
	"time"
)

// lease is for how long the machine may go on without hearing from its controller,
// so that a machine that everybody has lost sight of does not cost money for ever.
type lease struct {
	mu     sync.Mutex
	length time.Duration
	timer  *time.Timer
}

func newLease(length time.Duration) *lease {
	return &lease{length: length, timer: time.NewTimer(length)}
}

// renew begins the lease anew.
func (l *lease) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Reset(l.length)
}

// set begins a lease of another length.
func (l *lease) set(length time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.length = length
	l.timer.Reset(length)
}

// wait returns when the lease has run out, or with the error of ctx.
func (l *lease) wait(ctx context.Context) error {
	defer l.timer.Stop()
	select {
	case <-l.timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
