// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package record keeps what is to outlast a controller, wherever something can be
// written only if nobody else has written it since: the state of a service with the
// history of it, and the logs of replicas that are gone.
//
// The state and the newest events are one [Record], so that a save is one request.
// Older events are on pages of their own. Where they are is a [Place]; it knows how to
// write them there, and nothing of what is decided here: which record a save follows,
// what became of one whose answer was lost, and which pages are needed.
//
// A save is carried out only if the record is still the one that the saver has seen
// last. So of two controllers of one service, as there may be while a machine that
// was given up for dead is replaced, only one can go on: the other is told of a
// conflict at its next save, and as nothing is launched before it is saved, it
// launches nothing any more.
package record

import (
	"encoding/json"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// format is the form of what is stored. It grows when an older program could not make
// sense of what a newer one writes.
const format = 1

// Record is what is stored at once: the state and the newest events.
type Record struct {
	Head

	// ID is a mark of the state, which all records of it bear: the first save's, unless
	// the place has one of its own for it.
	ID     string          `json:"id"`
	Events []serve.Event   `json:"events,omitempty"`
	State  json.RawMessage `json:"state"`

	// Tag is the place's for what was written there, and another one whenever it was
	// written; empty before there is anything.
	Tag string `json:"-"`
}

// Head is what there is to know of a record besides what it holds.
type Head struct {
	Format  int    `json:"format"`
	Version uint64 `json:"version"`
	// Save is a random mark of the save that wrote the record, by which the saver
	// knows it again when the answer was lost.
	Save string `json:"save"`
	// First to Last are the numbers of the events in the record; without any, First
	// is Last + 1. Pages lists those before.
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	Pages []Page `json:"pages,omitempty"`
}

// Page names events that are not in the record any more.
type Page struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Known refuses what a newer program has written. A place asks before it goes on
// reading.
func (h Head) Known() error {
	if h.Format > format {
		return fmt.Errorf("the state has format %d, and this program knows formats up to %d: use the newer version that wrote it", h.Format, format)
	}
	return nil
}

// decode gives the state in the record.
func (r *Record) decode() (state serve.State, err error) {
	if err := json.Unmarshal(r.State, &state); err != nil {
		return serve.State{}, fmt.Errorf("reading the state: %w", err)
	}
	return state, nil
}

// next gives the record that follows r with the given state and events. The events
// that r holds stay, unless they have been moved into a page.
func (r *Record) next(save string, state serve.State, events []serve.Event) (*Record, error) {
	n := *r
	n.Format, n.Version, n.Save = format, r.Version+1, save
	if n.ID == "" {
		n.ID = save
	}
	n.Events = append([]serve.Event(nil), r.Events...)
	for _, e := range events {
		n.Last++
		e.Seq = n.Last
		n.Events = append(n.Events, e)
	}
	state.Version = n.Version
	var err error
	n.State, err = json.Marshal(state)
	return &n, err
}
