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
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// accept takes an order, and gives the bundles that have to be there first. The
// same order again is fine, and may have another lease. One of a later revision
// takes the place of the machine's; any other is serve.ErrConflict.
func (a *agent) accept(s sealedOrder) (missing []string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("taking the order: %w", err)
	}
	isNew := a.order == nil || a.order.Ref == s.Order.Ref && a.order.Revision < s.Order.Revision
	if isNew {
		if missing, err = a.missing(s.Order.Task); err != nil || len(missing) > 0 {
			return missing, err
		}
	} else if !a.order.same(s.Order) {
		return nil, fmt.Errorf("taking the order: the machine has another, of revision %d for replica %d: %w", a.order.Revision, a.order.Ref.Replica, serve.ErrConflict)
	}
	s.Stale = a.stale
	if isNew && a.order != nil {
		s.Stale = append(slices.Clone(a.stale), a.mounted(*a.order)...)
	}
	if err := jsonfile.Write(filepath.Join(a.dir, orderFile), s); err != nil {
		return nil, fmt.Errorf("taking the order: %w", err)
	}
	if err := a.adopt(s); err != nil {
		return nil, err
	}
	if isNew || a.failed() {
		a.board.show(State{Phase: PhaseFurnishing, Revision: s.Order.Revision})
		a.replace()
		a.wake()
	}
	return nil, nil
}

// failed reports whether the files of the order could not be put in place by no
// fault of its own, so that it may be tried again.
func (a *agent) failed() bool {
	s, _ := a.board.look()
	return s.Phase == PhaseExited && s.Last == PhaseFurnishing && !s.Invalid
}

// wake says that there is work to do.
func (a *agent) wake() {
	select {
	case a.ordered <- struct{}{}:
	default: // it was said already
	}
}

// adopt makes the order the machine's.
func (a *agent) adopt(s sealedOrder) error {
	identity, err := certify("machine", ed25519.NewKeyFromSeed(s.Key))
	if err != nil {
		return err
	}
	a.order, a.stale = &s.Order, s.Stale
	a.lease.set(s.Order.Lease)
	a.identity.Store(&identity)
	return nil
}

// mounted lists where an order has files in the home directory. What it has at
// other paths outside of the working directory may be amidst files of the system.
func (a *agent) mounted(o Order) []string {
	var paths []string
	for target := range o.Task.FileMounts {
		if below, ok := strings.CutPrefix(target, "~/"); ok {
			paths = append(paths, filepath.Join(a.home(o), filepath.FromSlash(below)))
		}
	}
	return paths
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
