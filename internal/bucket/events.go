// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// pageEvents is how many events may stand beside the state. A save that finds
	// more moves them into a page first.
	pageEvents = 256
	// keepEvents is how many events are kept at least.
	keepEvents = 1000
)

// page is what the object of a page of events holds.
type page struct {
	// ID is the mark of the state that the events are of.
	ID     string        `json:"id"`
	Events []serve.Event `json:"events"`
}

// pageKey is the key of the object of a page of events.
func pageKey(first int64) string { return fmt.Sprintf("events/%012d.json", first) }

// turnPage moves the events of a record into a page, and gives the record without
// them, which is yet to be stored.
//
// What is on a page is decided by what is stored and by nothing else: whoever
// saves next finds the same events to move, so that it does not matter which of
// several wrote the page, nor whether its save was accepted. So, too, it is
// decided which pages are not needed any more.
func (s *Store) turnPage(ctx context.Context, base *record) (*record, error) {
	body, err := json.Marshal(page{ID: base.ID, Events: base.Events})
	if err != nil {
		return nil, err
	}
	if _, err := s.bucket.Put(ctx, pageKey(base.First), body, Condition{}); err != nil {
		return nil, err
	}
	turned := *base
	turned.Events, turned.Pages, turned.First = nil, nil, base.Last+1
	for _, p := range append(slices.Clip(base.Pages), eventPage{base.First, base.Last}) {
		if p.Last > base.Last-keepEvents {
			turned.Pages = append(turned.Pages, p)
		} else if err := s.bucket.Remove(ctx, pageKey(p.First)); err != nil {
			return nil, err
		}
	}
	return &turned, nil
}

// Events implements [serve.Store].
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]serve.Event, error) {
	if after = max(after, 0); after == math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	r, err := s.read(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil
	}
	var events []serve.Event
	if err == nil {
		events, err = s.eventsOf(ctx, r, after, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("loading events: %w", err)
	}
	return events, nil
}

// eventsOf gives events that a record holds and names.
func (s *Store) eventsOf(ctx context.Context, r *record, after int64, limit int) ([]serve.Event, error) {
	var found []serve.Event
	take := func(events []serve.Event) {
		for _, e := range events {
			if e.Seq > after && len(found) < limit {
				found = append(found, e)
			}
		}
	}
	for _, p := range r.Pages {
		if p.Last <= after || len(found) == limit {
			continue
		}
		events, err := s.page(ctx, p, r.ID)
		if errors.Is(err, serve.ErrNotFound) {
			// Forgotten meanwhile; what is older is forgotten as well.
			found = nil
			continue
		}
		if err != nil {
			return nil, err
		}
		take(events)
	}
	take(r.Events)
	return found, nil
}

// page reads a page of events of the state with a mark.
func (s *Store) page(ctx context.Context, p eventPage, id string) ([]serve.Event, error) {
	key := pageKey(p.First)
	body, _, err := s.bucket.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	var there page
	if err := json.Unmarshal(body, &there); err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	if there.ID != id {
		return nil, fmt.Errorf("%w: %s is of another service", serve.ErrNotFound, key)
	}
	return there.Events, nil
}
