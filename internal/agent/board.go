// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"slices"
	"sync"
)

// board shows the state of the machine to all who watch it.
type board struct {
	mu      sync.Mutex
	state   State
	changed chan struct{} // closed at the next change
}

func newBoard(s State) *board { return &board{state: s, changed: make(chan struct{})} }

// look gives the state, and a channel that is closed when it is another one.
func (b *board) look() (State, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state, b.changed
}

// show replaces what the state says of the order. Warnings stay.
func (b *board) show(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Warnings = b.state.Warnings
	b.replace(s)
}

// warn adds a warning, in place of an earlier one of its kind. It reports whether
// there was anything new in it.
func (b *board) warn(w Warning) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	// Those who have looked still read the list that was there.
	s.Warnings = slices.Clone(s.Warnings)
	i := slices.IndexFunc(s.Warnings, func(old Warning) bool { return old.Kind == w.Kind })
	switch {
	case i < 0:
		s.Warnings = append(s.Warnings, w)
	case s.Warnings[i].Detail == w.Detail && !w.Deadline.Before(s.Warnings[i].Deadline):
		return false // said again
	default:
		s.Warnings[i] = w
	}
	b.replace(s)
	return true
}

func (b *board) replace(s State) {
	b.state = s
	close(b.changed)
	b.changed = make(chan struct{})
}
