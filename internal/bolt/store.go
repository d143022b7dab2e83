// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package bolt keeps what a controller must remember in one file, as a
// [serve.Store].
//
// The file is a bbolt database. It has a bucket with one key, the state, and a
// bucket with the events by their numbers, eight bytes each with the highest
// first, so that they are in order. A save writes both in one transaction,
// which is on disk when it returns.
//
// One process at a time can have the file open. A second one is refused at
// once and not made to wait: that the file is taken means that another
// controller of the same service is alive.
package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// format is the form of what is stored. It grows when an older program could
	// not make sense of what a newer one writes.
	format = 1
	// keepEvents is how many events are kept at least.
	keepEvents = 10_000
	// lockPatience is how long a process that is just ending may hold the file.
	lockPatience = 200 * time.Millisecond

	stateBucket = "state"
	stateKey    = "state"
	eventBucket = "events"
)

// Store is a [serve.Store] in a file.
type Store struct {
	db *bbolt.DB
}

// Open opens the store in the file at path, and makes it when there is none.
// [serve.ErrConflict] means that another process has it open.
func Open(path string) (*Store, error) {
	s, err := open(path)
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = fmt.Errorf("%w: another process has it open", serve.ErrConflict)
	}
	if err != nil {
		return nil, fmt.Errorf("opening store %q: %w", path, err)
	}
	return s, nil
}

func open(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, stateErr := tx.CreateBucketIfNotExists([]byte(stateBucket))
		_, eventErr := tx.CreateBucketIfNotExists([]byte(eventBucket))
		if err := errors.Join(stateErr, eventErr); err != nil {
			return err
		}
		// A file of a newer program is refused here, before anyone relies on it.
		_, err := load(tx)
		if errors.Is(err, serve.ErrNotFound) {
			return nil
		}
		return err
	})
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Close implements [serve.Store].
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing store %q: %w", s.db.Path(), err)
	}
	return nil
}

// Load implements [serve.Store].
func (s *Store) Load(ctx context.Context) (state serve.State, err error) {
	if err := ctx.Err(); err != nil {
		return state, fmt.Errorf("loading state: %w", err)
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		state, err = load(tx)
		return err
	})
	if err != nil {
		return serve.State{}, fmt.Errorf("loading state: %w", err)
	}
	return state, nil
}

// Save implements [serve.Store].
func (s *Store) Save(ctx context.Context, state serve.State, events []serve.Event) (version uint64, last int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, fmt.Errorf("saving state: %w", err)
	}
	expected := state.Version
	state.Version++
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if err := store(tx, expected, state); err != nil {
			return err
		}
		last, err = appendEvents(tx.Bucket([]byte(eventBucket)), events)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("saving state: %w", err)
	}
	return state.Version, last, nil
}

// record is the state as it is stored.
type record struct {
	Format int         `json:"format"`
	State  serve.State `json:"state"`
}

func load(tx *bbolt.Tx) (serve.State, error) {
	data := tx.Bucket([]byte(stateBucket)).Get([]byte(stateKey))
	if data == nil {
		return serve.State{}, serve.ErrNotFound
	}
	// The format is read by itself first: what follows it may have any form.
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return serve.State{}, err
	}
	if head.Format > format {
		return serve.State{}, fmt.Errorf(
			"the state has format %d, and this program knows formats up to %d: use the newer version that wrote it", head.Format, format)
	}
	var r record
	err := json.Unmarshal(data, &r)
	return r.State, err
}

// store replaces the state if the stored one has the expected version.
func store(tx *bbolt.Tx, expected uint64, state serve.State) error {
	present, err := load(tx)
	if err != nil && !errors.Is(err, serve.ErrNotFound) {
		return err
	}
	if present.Version != expected {
		return fmt.Errorf("%w: version %d is stored and not %d", serve.ErrConflict, present.Version, expected)
	}
	data, err := json.Marshal(record{Format: format, State: state})
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(stateBucket)).Put([]byte(stateKey), data)
}

// syncDir makes the name of a new file last through a crash of the machine;
// its content is bbolt's care.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	// The error is of no use: Windows refuses what it does not need.
	_ = f.Sync()
	return f.Close()
}
