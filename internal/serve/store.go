// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "context"

// Store remembers one service for its controller. Every method that returns
// without error has made its effect last through a crash of the machine.
type Store interface {
	// Load gives what was saved last; ErrNotFound when nothing was.
	Load(ctx context.Context) (State, error)
	// Save replaces the state if the stored one still has version s.Version (0:
	// if none is stored), and appends events in the same stroke. It returns the
	// new version, s.Version + 1. ErrConflict means that someone else has saved.
	// The store numbers the events and returns the last number.
	Save(ctx context.Context, s State, events []Event) (version uint64, last int64, err error)
	// Events gives up to limit events with Seq > after, oldest first. The store
	// may forget old events, but never the last thousand.
	Events(ctx context.Context, after int64, limit int) ([]Event, error)
	// Close gives the store back. Nothing may be called after it.
	Close() error
}
