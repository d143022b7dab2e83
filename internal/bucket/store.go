// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// stateKey is the key of the object that has the state.
const stateKey = "state.json"

// NewStore gives the store in a bucket. One object has the state and the newest
// events; older events are in objects of their own. Nothing is asked of it yet.
func NewStore(b Bucket) *record.Store { return record.NewStore(records{b}, "") }

// records is where a record is in a bucket.
type records struct{ bucket Bucket }

// Read implements [record.Place].
func (p records) Read(ctx context.Context) (*record.Record, error) {
	body, tag, err := p.bucket.Get(ctx, stateKey)
	if err != nil {
		return nil, err
	}
	r := &record.Record{Tag: tag}
	if err = json.Unmarshal(body, r); err == nil {
		err = r.Known()
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", stateKey, err)
	}
	return r, nil
}

// Write implements [record.Place].
func (p records) Write(ctx context.Context, r *record.Record) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tag, err := p.bucket.Put(ctx, stateKey, body, Condition{Absent: r.Tag == "", Still: r.Tag})
	if err == nil {
		r.Tag = tag
	}
	return err
}

// Silent implements [record.Place].
func (p records) Silent(err error) bool {
	return errors.Is(err, serve.ErrUnreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// page is what the object of a page of events holds.
type page struct {
	// ID is the mark of the state that the events are of.
	ID     string        `json:"id"`
	Events []serve.Event `json:"events"`
}

// pageKey is the key of the object of a page of events.
func pageKey(first int64) string { return fmt.Sprintf("events/%012d.json", first) }

// WritePage implements [record.Place].
func (p records) WritePage(ctx context.Context, id string, first int64, events []serve.Event) error {
	return Write(ctx, p.bucket, pageKey(first), page{ID: id, Events: events}, Condition{})
}

// ReadPage implements [record.Place].
func (p records) ReadPage(ctx context.Context, id string, first int64) ([]serve.Event, error) {
	var there page
	if err := Read(ctx, p.bucket, pageKey(first), &there); err != nil {
		return nil, err
	}
	if there.ID != id {
		return nil, fmt.Errorf("%w: %s is of another service", serve.ErrNotFound, pageKey(first))
	}
	return there.Events, nil
}

// RemovePage implements [record.Place].
func (p records) RemovePage(ctx context.Context, first int64) error {
	return p.bucket.Remove(ctx, pageKey(first))
}
