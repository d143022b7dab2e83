// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Store is a [serve.Store] in memory. Closing it changes nothing: a controller
// that is started on it again finds what the one before has saved, as it would
// in a file.
type Store struct {
	mu      sync.Mutex
	version uint64
	// Both are kept as JSON, so that nothing is shared with callers, and what
	// would not come back from a file does not come back here.
	state  []byte
	events [][]byte
}

// NewStore gives an empty store.
func NewStore() *Store { return &Store{} }

// Load implements [serve.Store].
func (s *Store) Load(ctx context.Context) (serve.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var state serve.State
	if err := ctx.Err(); err != nil {
		return state, fmt.Errorf("loading state: %w", err)
	}
	if s.version == 0 {
		return state, fmt.Errorf("loading state: %w", serve.ErrNotFound)
	}
	if err := json.Unmarshal(s.state, &state); err != nil {
		return state, fmt.Errorf("loading state: %w", err)
	}
	return state, nil
}

// Save implements [serve.Store].
func (s *Store) Save(ctx context.Context, state serve.State, events []serve.Event) (uint64, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, 0, fmt.Errorf("saving state: %w", err)
	}
	if state.Version != s.version {
		return 0, 0, fmt.Errorf("saving state: %w: version %d is stored and not %d", serve.ErrConflict, s.version, state.Version)
	}
	state.Version++
	data, err := json.Marshal(state)
	if err != nil {
		return 0, 0, fmt.Errorf("saving state: %w", err)
	}
	history := s.events
	for _, e := range events {
		e.Seq = int64(len(history)) + 1
		line, err := json.Marshal(e)
		if err != nil {
			return 0, 0, fmt.Errorf("saving event %d: %w", e.Seq, err)
		}
		history = append(history, line)
	}
	s.version, s.state, s.events = state.Version, data, history
	return s.version, int64(len(s.events)), nil
}

// Events implements [serve.Store].
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]serve.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("loading events: %w", err)
	}
	after = min(max(after, 0), int64(len(s.events)))
	var events []serve.Event
	for _, line := range s.events[after:] {
		if len(events) >= limit {
			break
		}
		var e serve.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("loading events: %w", err)
		}
		events = append(events, e)
	}
	return events, nil
}

// Close implements [serve.Store].
func (s *Store) Close() error { return nil }
