// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// These are for stores that are asked over a network, where answers get lost, and that
// are several controllers', of which only one may go on.

// Save saves a state with so many events, and expects it to succeed.
func Save(t testing.TB, s serve.Store, state serve.State, events int) serve.State {
	t.Helper()
	version, _, err := s.Save(t.Context(), state, make([]serve.Event, events))
	if err != nil {
		t.Fatalf("Save of version %d: %v", state.Version, err)
	}
	state.Version = version
	return state
}

// Stored expects a version of a name to be stored, and so many events.
func Stored(t testing.TB, s serve.Store, version uint64, name string, events int) {
	t.Helper()
	there, err := s.Load(t.Context())
	if err != nil || there.Version != version || there.Name != name {
		t.Errorf("version %d of %q is stored, and not %d of %q: %v", there.Version, there.Name, version, name, err)
	}
	if got, err := s.Events(t.Context(), 0, 10_000); len(got) != events {
		t.Errorf("there are %d events, want %d: %v", len(got), events, err)
	}
}

// TestSavesInTrouble expects saves to succeed, and to be done once, although each is in
// trouble on its way.
func TestSavesInTrouble(t *testing.T, s serve.Store, trouble func()) {
	t.Helper()
	var state serve.State
	for i := range 3 {
		trouble()
		state.Name = fmt.Sprint("save-", i)
		state = Save(t, s, state, 1)
	}
	Stored(t, s, 3, "save-2", 3)
}

// TestLostSaves expects of a save whose outcome is not known that the next one takes its
// place. Once s is cut off, what it asks is done, and every answer lost.
func TestLostSaves(t *testing.T, s serve.Store, cut func(off bool), open func() serve.Store) {
	t.Helper()
	lose := func(state serve.State, events int) {
		t.Helper()
		cut(true)
		if _, _, err := s.Save(t.Context(), state, make([]serve.Event, events)); !errors.Is(err, serve.ErrUnreachable) {
			t.Fatalf("Save: %v, want ErrUnreachable", err)
		}
		cut(false)
	}
	state := Save(t, s, serve.State{Name: "first"}, 1)
	state.Name = "lost"
	lose(state, 2)
	Stored(t, open(), 2, "lost", 3)
	state.Name = "anew"
	state = Save(t, s, state, 3)
	Stored(t, open(), 2, "anew", 4)
	// Someone else's save in between is a conflict all the same.
	lose(state, 0)
	other := open()
	theirs, err := other.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	Save(t, other, theirs, 0)
	conflicts(t, s, state)
}

// TestRemovedState expects that nobody saves to where the state of a service was
// removed, even after that of another one has come.
func TestRemovedState(t *testing.T, open func() serve.Store, remove func()) {
	t.Helper()
	s := open()
	state := Save(t, s, serve.State{}, 0)
	remove()
	conflicts(t, s, state)
	conflicts(t, open(), state)
	// Not even one of the same version is saved over.
	Save(t, open(), serve.State{}, 0)
	conflicts(t, s, state)
}

// TestPageOfALoser expects that no event is lost or there twice when one saver has moved
// them, and its save, of which loser says why, has failed.
func TestPageOfALoser(t *testing.T, loser serve.Store, why error, open func() serve.Store) {
	t.Helper()
	state := Save(t, open(), serve.State{}, 300)
	if _, _, err := loser.Save(t.Context(), state, nil); !errors.Is(err, why) {
		t.Fatalf("Save: %v, want %v", err, why)
	}
	Save(t, open(), state, 1)
	Stored(t, open(), 2, "", 301)
}

// TestManyEvents saves six thousand events, and expects the last ones to be kept, and
// not many more.
func TestManyEvents(t *testing.T, s serve.Store) {
	t.Helper()
	var state serve.State
	for range 60 {
		state = Save(t, s, state, 100)
	}
	events, err := s.Events(t.Context(), 0, 10_000)
	if err != nil || len(events) < 1000 || len(events) > 2000 || events[len(events)-1].Seq != 6000 {
		t.Fatalf("%d events are left (%v)", len(events), err)
	}
	for i, e := range events {
		if e.Seq != events[0].Seq+int64(i) {
			t.Fatalf("event %d comes after event %d", e.Seq, events[i-1].Seq)
		}
	}
}

// conflicts expects a save to be refused, as the state is another's.
func conflicts(t *testing.T, s serve.Store, state serve.State) {
	t.Helper()
	if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Save: %v, want ErrConflict", err)
	}
}
