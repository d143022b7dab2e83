// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package record

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Place is where the record of one service is, and the pages of its events. Its
// methods may be called at the same time.
type Place interface {
	// Read gives the record; serve.ErrNotFound if there is none.
	Read(ctx context.Context) (*Record, error)
	// Write stores a record if the one that is there has its tag, or if there is none
	// and the tag is empty, and gives it the tag, and the mark, that it then has.
	// serve.ErrConflict says that the condition does not hold. Where the record was to
	// be a certain one and there is none, that may be serve.ErrNotFound as well.
	Write(ctx context.Context, r *Record) error
	// Silent reports whether it is not known, after an error, what became of a request.
	Silent(err error) bool
	// WritePage stores the events of a state, by its mark, from a number on. What is
	// there already is the same, or of another state and not needed.
	WritePage(ctx context.Context, id string, first int64, events []serve.Event) error
	// ReadPage gives what WritePage has stored; serve.ErrNotFound if it is not there,
	// or of another state.
	ReadPage(ctx context.Context, id string, first int64) ([]serve.Event, error)
	// RemovePage removes a page, if there is one.
	RemovePage(ctx context.Context, first int64) error
}

// Store is a [serve.Store] in a place.
type Store struct {
	// Patience is for how long the outcome of a save is looked for whose answer was
	// lost.
	Patience time.Duration

	place Place
	of    string

	mu sync.Mutex
	// last is the record that was read or written last, nil when none is known, and id
	// the mark of the state that saves are for, empty before there is one.
	last *Record
	id   string
	// lost are the marks of saves that may yet have been done, as their answers
	// were lost, and base is the record they were to follow.
	lost map[string]bool
	base *Record
}

var _ serve.Store = (*Store)(nil)

// NewStore gives the store in a place. Errors say of what the state is, as in `of
// service "web"`, unless that is empty. Nothing is asked of the place yet.
func NewStore(p Place, of string) *Store {
	if of != "" {
		of = " " + of
	}
	return &Store{Patience: 15 * time.Second, place: p, of: of}
}

// Close implements [serve.Store].
func (s *Store) Close() error { return nil }

// Load implements [serve.Store].
func (s *Store) Load(ctx context.Context) (serve.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var state serve.State
	r, err := s.place.Read(ctx)
	if err == nil {
		// Whoever loads builds upon what is there, whoever has saved it.
		s.know(r)
		state, err = r.decode()
	}
	if err != nil {
		return serve.State{}, fmt.Errorf("loading the state%s: %w", s.of, err)
	}
	return state, nil
}

// Save implements [serve.Store].
func (s *Store) Save(ctx context.Context, state serve.State, events []serve.Event) (version uint64, last int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var saved *Record
	if err = ctx.Err(); err == nil {
		saved, err = s.save(ctx, state, events)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("saving the state%s: %w", s.of, err)
	}
	s.know(saved)
	return saved.Version, saved.Last, nil
}

// know notes that a record is what is stored.
func (s *Store) know(r *Record) { s.last, s.id, s.lost, s.base = r, r.ID, nil, nil }

func (s *Store) save(ctx context.Context, state serve.State, events []serve.Event) (*Record, error) {
	for {
		base, err := s.present(ctx, state.Version)
		if err != nil {
			return nil, err
		}
		if len(base.Events) > pageEvents {
			if base, err = s.turnPage(ctx, base); err != nil {
				return nil, err
			}
		}
		next, err := base.next(rand.Text(), state, events)
		if err != nil {
			return nil, err
		}
		err = s.write(ctx, base, next)
		if err == nil {
			return next, nil
		}
		s.last = nil // what is there must be read again
		if !errors.Is(err, errOvertaken) {
			return nil, err
		}
	}
}

var (
	// errOvertaken tells that an earlier save of this very store was done after all,
	// when a later one of the same state was under way already.
	errOvertaken = errors.New("overtaken by an earlier save")
	// errBusy tells that nothing has changed although a save was refused: the place
	// was about to take another one.
	errBusy = fmt.Errorf("%w: the state is being written", serve.ErrUnreachable)
)

// present gives the record that a save of the given version follows.
func (s *Store) present(ctx context.Context, version uint64) (*Record, error) {
	if s.last != nil && s.last.Version == version && len(s.lost) == 0 {
		return s.last, nil
	}
	r, err := s.place.Read(ctx)
	switch {
	case errors.Is(err, serve.ErrNotFound) && version == 0 && s.id == "":
		return &Record{Head: Head{First: 1}}, nil
	case errors.Is(err, serve.ErrNotFound):
		return nil, fmt.Errorf("%w: nothing is stored, and not version %d: the service was removed", serve.ErrConflict, version)
	case err != nil:
		return nil, err
	case s.id != "" && s.id != r.ID:
		return nil, fmt.Errorf("%w: the state is that of another service: the one before was removed", serve.ErrConflict)
	case s.lost[r.Save] && s.base.Version == version:
		// It was our own save whose answer was lost. Its caller was told that it had
		// failed and saves anew, so that this one takes its place.
		base := *s.base
		base.ID, base.Tag = r.ID, r.Tag
		return &base, nil
	case r.Version != version:
		return nil, fmt.Errorf("%w: version %d is stored and not %d", serve.ErrConflict, r.Version, version)
	}
	return r, nil
}

// write stores a record if base, which it follows, is still there, and finds out
// whether it is stored when the answer is lost.
func (s *Store) write(ctx context.Context, base, next *Record) error {
	err := s.send(ctx, next)
	if err == nil || !s.place.Silent(err) && ctx.Err() == nil {
		return err
	}
	// The request may be under way yet, so that looking is not enough: only an
	// answer to the same request settles it, as one of the two is refused.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Patience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		again := s.send(settling, next)
		if again == nil || !s.place.Silent(again) && settling.Err() == nil {
			return again
		}
		if turns.Sleep(settling, wait) {
			continue
		}
		if s.lost == nil {
			s.lost = map[string]bool{}
		}
		s.lost[next.Save], s.base = true, base
		return fmt.Errorf("%w (whether the state was stored is not known)", err)
	}
}

// send asks for a record to be stored, and judges a refusal.
func (s *Store) send(ctx context.Context, r *Record) error {
	err := s.place.Write(ctx, r)
	removed := fmt.Errorf("%w: the state is not there any more: the service was removed", serve.ErrConflict)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, serve.ErrNotFound) && r.Tag != "":
		return removed
	case !errors.Is(err, serve.ErrConflict):
		return err
	}
	// It may be refused because it was carried out before.
	there, err := s.place.Read(ctx)
	switch {
	case errors.Is(err, serve.ErrNotFound) && r.Tag != "":
		return removed
	case errors.Is(err, serve.ErrNotFound):
		return errBusy
	case err != nil:
		return err
	case there.Save == r.Save:
		r.ID, r.Tag = there.ID, there.Tag
		return nil
	case there.Tag == r.Tag:
		return errBusy
	case s.lost[there.Save]:
		return errOvertaken
	}
	return fmt.Errorf("%w: version %d is stored and not %d", serve.ErrConflict, there.Version, r.Version-1)
}
