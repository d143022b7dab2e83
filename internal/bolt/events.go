// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bolt

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"go.etcd.io/bbolt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Events implements [serve.Store].
func (s *Store) Events(ctx context.Context, after int64, limit int) (events []serve.Event, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("loading events: %w", err)
	}
	if after = max(after, 0); after == math.MaxInt64 {
		return nil, nil
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(eventBucket)).Cursor()
		for key, data := c.Seek(eventKey(after + 1)); key != nil && len(events) < limit; key, data = c.Next() {
			var e serve.Event
			if err := json.Unmarshal(data, &e); err != nil {
				return fmt.Errorf("event %d: %w", binary.BigEndian.Uint64(key), err)
			}
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading events: %w", err)
	}
	return events, nil
}

// appendEvents numbers the events, stores them, and forgets the oldest. It
// gives the number of the last event there is.
func appendEvents(b *bbolt.Bucket, events []serve.Event) (last int64, err error) {
	// The bucket counts by itself, so numbers do not return even when the events
	// that had them are forgotten.
	for _, e := range events {
		seq, err := b.NextSequence()
		if err != nil {
			return 0, err
		}
		e.Seq = int64(seq)
		data, err := json.Marshal(e)
		if err != nil {
			return 0, err
		}
		if err := b.Put(eventKey(e.Seq), data); err != nil {
			return 0, err
		}
	}
	last = int64(b.Sequence())
	return last, forgetEvents(b, last-keepEvents)
}

// forgetEvents deletes the events up to a number.
func forgetEvents(b *bbolt.Bucket, upTo int64) error {
	if upTo <= 0 {
		return nil
	}
	// A cursor must not be moved on over a key just deleted, so each time the
	// first key is looked for again; most saves find one or two to delete.
	c := b.Cursor()
	for key, _ := c.First(); key != nil && binary.BigEndian.Uint64(key) <= uint64(upTo); key, _ = c.First() {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

func eventKey(seq int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }
