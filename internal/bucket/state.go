// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket

import (
	"encoding/json"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// stateFormat is the form of what is stored. It grows when an older program could
// not make sense of what a newer one writes.
const stateFormat = 1

// record is what the object of a state holds: the state and the newest events.
type record struct {
	Format  int    `json:"format"`
	Version uint64 `json:"version"`
	// ID is a random mark of the first save, which all that follow it bear.
	ID string `json:"id"`
	// Save is a random mark of the save that wrote the record, by which the saver
	// knows it again when the answer was lost.
	Save string `json:"save"`
	// First to Last are the numbers of the events in the record; without any, First
	// is Last + 1. Pages lists those before, in objects of their own.
	First  int64           `json:"first"`
	Last   int64           `json:"last"`
	Pages  []eventPage     `json:"pages,omitempty"`
	Events []serve.Event   `json:"events,omitempty"`
	State  json.RawMessage `json:"state"`

	// tag is that of the object, empty before there is one.
	tag string
}

// eventPage names events that have an object of their own.
type eventPage struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// parseRecord reads the object of a state.
func parseRecord(body []byte, tag string) (*record, error) {
	r := &record{tag: tag}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", stateKey, err)
	}
	if r.Format > stateFormat {
		return nil, fmt.Errorf("reading %s: the state has format %d, and this program knows formats up to %d: use the newer version that wrote it",
			stateKey, r.Format, stateFormat)
	}
	return r, nil
}

// decode gives the state in the record.
func (r *record) decode() (state serve.State, err error) {
	if err := json.Unmarshal(r.State, &state); err != nil {
		return serve.State{}, fmt.Errorf("reading the state in %s: %w", stateKey, err)
	}
	return state, nil
}

// next gives the record that follows r with the given state and events. The
// events that r holds stay, unless they have been moved into a page.
func (r *record) next(save string, state serve.State, events []serve.Event) (*record, error) {
	n := *r
	n.Format, n.Version, n.Save = stateFormat, r.Version+1, save
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
