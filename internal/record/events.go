// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package record

import (
	"context"
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

// turnPage moves the events of a record into a page, and gives the record without
// them, which is yet to be stored.
//
// What is on a page is decided by what is stored and by nothing else: whoever
// saves next finds the same events to move, so that it does not matter which of
// several wrote the page, nor whether its save was accepted. So, too, it is
// decided which pages are not needed any more.
func (s *Store) turnPage(ctx context.Context, base *Record) (*Record, error) {
	if err := s.place.WritePage(ctx, base.ID, base.First, base.Events); err != nil {
		return nil, fmt.Errorf("writing events from %d on: %w", base.First, err)
	}
	turned := *base
	turned.Events, turned.Pages, turned.First = nil, nil, base.Last+1
	for _, p := range append(slices.Clip(base.Pages), Page{base.First, base.Last}) {
		if p.Last > base.Last-keepEvents {
			turned.Pages = append(turned.Pages, p)
		} else if err := s.place.RemovePage(ctx, p.First); err != nil {
			return nil, fmt.Errorf("removing events from %d on: %w", p.First, err)
		}
	}
	return &turned, nil
}

// Events implements [serve.Store].
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]serve.Event, error) {
	if after = max(after, 0); after == math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	r, err := s.place.Read(ctx)
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil
	}
	var events []serve.Event
	if err == nil {
		events, err = s.eventsOf(ctx, r, after, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the events%s: %w", s.of, err)
	}
	return events, nil
}

// eventsOf gives events that a record holds and names.
func (s *Store) eventsOf(ctx context.Context, r *Record, after int64, limit int) ([]serve.Event, error) {
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
		events, err := s.place.ReadPage(ctx, r.ID, p.First)
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
