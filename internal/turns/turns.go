// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package turns lets one caller at a time work on a thing, and lets another one
// cut the work short. Those who wait for time to pass find that here, too.
package turns

import (
	"context"
	"sync"
)

// Turns lets one caller at a time work on a thing named by K within this
// process, in place of waiting for a lock file, and lets another one cut the
// work short.
type Turns[K comparable] struct {
	mu  sync.Mutex
	now map[K]*turn
}

type turn struct {
	token  chan struct{} // holds one value while nobody works
	users  int
	cancel context.CancelCauseFunc
}

// Enter waits for the turn on key. The context it returns ends with ctx or by
// Interrupt; leave must be called.
func (t *Turns[K]) Enter(ctx context.Context, key K) (_ context.Context, leave func(), err error) {
	t.mu.Lock()
	if t.now == nil {
		t.now = make(map[K]*turn)
	}
	n := t.now[key]
	if n == nil {
		n = &turn{token: make(chan struct{}, 1)}
		n.token <- struct{}{}
		t.now[key] = n
	}
	n.users++
	t.mu.Unlock()

	select {
	case <-n.token:
	case <-ctx.Done():
		t.forget(key, n)
		return nil, nil, ctx.Err()
	}
	working, cancel := context.WithCancelCause(ctx)
	t.mu.Lock()
	n.cancel = cancel
	t.mu.Unlock()
	return working, func() {
		cancel(nil)
		t.mu.Lock()
		n.cancel = nil
		t.mu.Unlock()
		n.token <- struct{}{}
		t.forget(key, n)
	}, nil
}

// Interrupt ends the context of whoever works on key now.
func (t *Turns[K]) Interrupt(key K, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.now[key]; n != nil && n.cancel != nil {
		n.cancel(cause)
	}
}

func (t *Turns[K]) forget(key K, n *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.users--; n.users == 0 {
		delete(t.now, key)
	}
}
