// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

const (
	// stateKey is the key of the object that has the state.
	stateKey = "state.json"
	// settlePatience is for how long the outcome of a save is looked for whose answer
	// was lost.
	settlePatience = 15 * time.Second
)

// Store is a [serve.Store] in a bucket. One object has the state and the newest
// events, so that a save is one request. Older events are in objects of their own;
// see events.go.
//
// A save is carried out only if the object is still the one that the saver has seen
// last. So of two controllers of one service, as there may be while a machine that
// was given up for dead is replaced, only one can go on: the other is told of a
// conflict at its next save, and as nothing is launched before it is saved, it
// launches nothing any more.
type Store struct {
	bucket Bucket

	mu sync.Mutex
	// last is the record that was read or written last, nil when none is known, and id
	// the mark of the state that saves are for, empty before there is one.
	last *record
	id   string
	// lost are the marks of saves that may yet have been done, as their answers
	// were lost, and base is the record they were to follow.
	lost map[string]bool
	base *record
}

var _ serve.Store = (*Store)(nil)

// NewStore gives the store in a bucket. Nothing is asked of it yet.
func NewStore(b Bucket) *Store { return &Store{bucket: b} }

// Close implements [serve.Store].
func (s *Store) Close() error { return nil }

// Load implements [serve.Store].
func (s *Store) Load(ctx context.Context) (serve.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.read(ctx)
	if err != nil {
		return serve.State{}, fmt.Errorf("loading the state: %w", err)
	}
	// Whoever loads builds upon what is there, whoever has saved it.
	s.know(r)
	state, err := r.decode()
	if err != nil {
		return serve.State{}, fmt.Errorf("loading the state: %w", err)
	}
	return state, nil
}

// Save implements [serve.Store].
func (s *Store) Save(ctx context.Context, state serve.State, events []serve.Event) (version uint64, last int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var saved *record
	if err = ctx.Err(); err == nil {
		saved, err = s.save(ctx, state, events)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("saving the state: %w", err)
	}
	s.know(saved)
	return saved.Version, saved.Last, nil
}

// know notes that a record is what is stored.
func (s *Store) know(r *record) { s.last, s.id, s.lost, s.base = r, r.ID, nil, nil }

func (s *Store) save(ctx context.Context, state serve.State, events []serve.Event) (*record, error) {
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
	// errBusy tells that nothing has changed although a save was refused: the
	// bucket was about to take another one.
	errBusy = fmt.Errorf("%w: the state is being written", serve.ErrUnreachable)
)

// present gives the record that a save of the given version follows.
func (s *Store) present(ctx context.Context, version uint64) (*record, error) {
	if s.last != nil && s.last.Version == version && len(s.lost) == 0 {
		return s.last, nil
	}
	r, err := s.read(ctx)
	switch {
	case errors.Is(err, serve.ErrNotFound) && version == 0 && s.id == "":
		return &record{First: 1}, nil
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
		base.ID, base.tag = r.ID, r.tag
		return &base, nil
	case r.Version != version:
		return nil, fmt.Errorf("%w: version %d is stored and not %d", serve.ErrConflict, r.Version, version)
	}
	return r, nil
}

// read asks for the stored record.
func (s *Store) read(ctx context.Context) (*record, error) {
	body, tag, err := s.bucket.Get(ctx, stateKey)
	if err != nil {
		return nil, err
	}
	return parseRecord(body, tag)
}

// write stores a record if base, which it follows, is still there, and finds out
// whether it is stored when the answer is lost.
func (s *Store) write(ctx context.Context, base, next *record) error {
	body, err := json.Marshal(next)
	if err != nil {
		return err
	}
	err = s.send(ctx, body, base, next)
	if err == nil || !silent(err) {
		return err
	}
	// The request may be under way yet, so that looking is not enough: only an
	// answer to the same request settles it, as one of the two is refused.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		again := s.send(settling, body, base, next)
		if again == nil || !silent(again) {
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
func (s *Store) send(ctx context.Context, body []byte, base, next *record) error {
	tag, err := s.bucket.Put(ctx, stateKey, body, Condition{Absent: base.tag == "", Still: base.tag})
	removed := fmt.Errorf("%w: the state is not there any more: the service was removed", serve.ErrConflict)
	switch {
	case err == nil:
		next.tag = tag
		return nil
	case errors.Is(err, serve.ErrNotFound) && base.tag != "":
		return removed
	case !errors.Is(err, serve.ErrConflict):
		return err
	}
	// It may be refused because it was carried out before.
	there, err := s.read(ctx)
	switch {
	case errors.Is(err, serve.ErrNotFound) && base.tag != "":
		return removed
	case errors.Is(err, serve.ErrNotFound):
		return errBusy
	case err != nil:
		return err
	case there.Save == next.Save:
		next.tag = there.tag
		return nil
	case there.tag == base.tag:
		return errBusy
	case s.lost[there.Save]:
		return errOvertaken
	}
	return fmt.Errorf("%w: version %d is stored and not %d", serve.ErrConflict, there.Version, next.Version-1)
}

// silent reports whether it is not known what became of a request.
func silent(err error) bool {
	return errors.Is(err, serve.ErrUnreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
