// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Why a request finds no backend.
var (
	errNotReady = errors.New("there is no replica that can take requests")
	errTooMany  = errors.New("too many requests are waiting for a replica already")
	errHeld     = errors.New("no replica became ready while the request waited")
)

// await returns when there is a backend that was not tried yet, or says why there
// is none.
func (b *Balancer) await(ctx context.Context, tried []*backend) error {
	s := b.current.Load()
	if s.hasOther(tried) {
		return nil
	}
	if len(tried) == 0 {
		b.onArrival()
	}
	if s.hold <= 0 {
		return errNotReady
	}
	defer b.held.Add(-1)
	if b.held.Add(1) > b.maxHeld {
		return errTooMany
	}
	b.counters.waited.Add(1)
	began := time.Now()
	timer := time.NewTimer(s.patience())
	defer timer.Stop()
	for {
		select {
		case <-s.replaced:
		case <-timer.C:
			return errHeld
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s = b.current.Load()
		switch {
		case s.hasOther(tried):
			return nil
		case s.hold <= 0:
			return errNotReady
		}
		timer.Reset(time.Until(began.Add(s.patience())))
	}
}

// hasOther reports whether there is a backend beside those tried.
func (s *snapshot) hasOther(tried []*backend) bool {
	if len(tried) == 0 {
		return len(s.targets) > 0
	}
	return slices.ContainsFunc(s.targets, func(t target) bool { return !slices.Contains(tried, t.backend) })
}

// patience is how long a request waits. Backends that have failed it, and are
// still there, either leave soon or are not going to.
func (s *snapshot) patience() time.Duration {
	if len(s.targets) > 0 {
		return min(s.hold, suspicion)
	}
	return s.hold
}
