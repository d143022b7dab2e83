// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"context"
	"errors"
	"time"
)

// Why a request finds no backend.
var (
	errNotReady = errors.New("there is no replica that can take requests")
	errTooMany  = errors.New("too many requests are waiting for a replica already")
	errHeld     = errors.New("no replica became ready while the request waited")
)

// await returns when there is a backend, or says why there is none.
func (b *Balancer) await(ctx context.Context) error {
	s := b.current.Load()
	if len(s.targets) > 0 {
		return nil
	}
	b.onArrival()
	if s.hold <= 0 {
		return errNotReady
	}
	defer b.held.Add(-1)
	if b.held.Add(1) > b.maxHeld {
		return errTooMany
	}
	began := time.Now()
	timer := time.NewTimer(s.hold)
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
		case len(s.targets) > 0:
			return nil
		case s.hold <= 0:
			return errNotReady
		}
		timer.Reset(time.Until(began.Add(s.hold)))
	}
}
