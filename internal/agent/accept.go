// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// accept takes an order, and gives the bundles that have to be there first. The
// same order again is fine, and may have another lease; a machine never gets
// another order, which is serve.ErrConflict.
func (a *agent) accept(s sealedOrder) (missing []string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("taking the order: %w", err)
	}
	if a.order != nil {
		if !a.order.same(s.Order) {
			return nil, fmt.Errorf("taking the order: the machine has another, for replica %d: %w", a.order.Ref.Replica, serve.ErrConflict)
		}
		a.again()
	} else if missing, err = a.missing(s.Order.Task); err != nil || len(missing) > 0 {
		return missing, err
	}
	if err := jsonfile.Write(filepath.Join(a.dir, orderFile), s); err != nil {
		return nil, fmt.Errorf("taking the order: %w", err)
	}
	if a.order == nil {
		a.board.show(State{Phase: PhaseFurnishing})
		a.ordered <- struct{}{}
	}
	return nil, a.adopt(s)
}

// again has an order tried again whose files could not be put in place by no
// fault of its own.
func (a *agent) again() {
	s, _ := a.board.look()
	if s.Phase == PhaseExited && s.Last == PhaseFurnishing && !s.Invalid {
		a.board.show(State{Phase: PhaseFurnishing})
		a.ordered <- struct{}{}
	}
}

// adopt makes the order the machine's.
func (a *agent) adopt(s sealedOrder) error {
	identity, err := certify("machine", ed25519.NewKeyFromSeed(s.Key))
	if err != nil {
		return err
	}
	a.order = &s.Order
	a.lease.set(s.Order.Lease)
	a.identity.Store(&identity)
	return nil
}

// current gives the machine's order, nil before there is one.
func (a *agent) current() *Order {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.order
}

// missing lists the bundles of a task that are not there.
func (a *agent) missing(t serve.Task) ([]string, error) {
	digests := slices.Collect(maps.Values(t.FileMounts))
	if t.Workdir != "" {
		digests = append(digests, t.Workdir)
	}
	slices.Sort(digests)
	var missing []string
	for _, digest := range slices.Compact(digests) {
		has, err := a.bundles.Has(digest)
		if err != nil {
			return nil, err
		}
		if !has {
			missing = append(missing, digest)
		}
	}
	return missing, nil
}

func (s sealedOrder) check() error {
	switch o := s.Order; {
	case len(s.Key) != ed25519.SeedSize:
		return fmt.Errorf("the machine's key has %d bytes: %w", len(s.Key), serve.ErrInvalid)
	case o.Port < 1 || o.Port > 65535:
		return fmt.Errorf("there is no port %d: %w", o.Port, serve.ErrInvalid)
	case o.Lease <= 0:
		return fmt.Errorf("a lease of %v: %w", o.Lease, serve.ErrInvalid)
	default:
		return nil
	}
}

// same reports whether two orders ask for the same; how long the lease is can be
// changed.
func (o Order) same(other Order) bool {
	o.Lease, other.Lease = 0, 0
	a, errA := json.Marshal(o)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && string(a) == string(b)
}
