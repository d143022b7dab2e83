// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// stateFormat is the form of what is stored. It grows when an older program
	// could not make sense of what a newer one writes.
	stateFormat = 1
	// The keys of the Secret of a state, and keyEvents also of a page of events.
	keyHead   = "head.json"
	keyState  = "state.json.gz"
	keyEvents = "events.json.gz"
)

// record is what the Secret of a state holds: the state and the newest events.
type record struct {
	head
	state  []byte // compressed JSON
	events []serve.Event
	// at is the Secret's resource version, empty before there is one, and uid its
	// identity.
	at  string
	uid types.UID
}

// head is what there is to know of a record without unpacking it.
type head struct {
	Format  int    `json:"format"`
	Version uint64 `json:"version"`
	// Save is a random mark of the save that wrote the record, by which the saver
	// knows it again when the answer was lost.
	Save string `json:"save"`
	// First to Last are the numbers of the events in the record; without any,
	// First is Last + 1. Pages lists those before, in Secrets of their own.
	First int64       `json:"first"`
	Last  int64       `json:"last"`
	Pages []eventPage `json:"pages,omitempty"`
}

// eventPage names events that have a Secret of their own.
type eventPage struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// unpack reads the Secret of a state.
func unpack(secret *corev1.Secret) (*record, error) {
	r := &record{state: secret.Data[keyState], at: secret.ResourceVersion, uid: secret.UID}
	if err := json.Unmarshal(secret.Data[keyHead], &r.head); err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", secret.Name, err)
	}
	if r.Format > stateFormat {
		return nil, fmt.Errorf("reading Secret %q: the state has format %d, and this program knows formats up to %d: use the newer version that wrote it",
			secret.Name, r.Format, stateFormat)
	}
	if err := expand(secret.Data[keyEvents], &r.events); err != nil {
		return nil, fmt.Errorf("reading the events of Secret %q: %w", secret.Name, err)
	}
	return r, nil
}

// decode gives the state in the record.
func (r *record) decode() (state serve.State, err error) {
	if err := expand(r.state, &state); err != nil {
		return serve.State{}, fmt.Errorf("reading the state: %w", err)
	}
	return state, nil
}

// pack writes the data of the record's Secret.
func (r *record) pack() (map[string][]byte, error) {
	top, err := json.Marshal(r.head)
	if err != nil {
		return nil, err
	}
	events, err := compress(r.events)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{keyHead: top, keyState: r.state, keyEvents: events}
	if size := len(top) + len(r.state) + len(events); size > corev1.MaxSecretSize {
		return nil, fmt.Errorf("%w: the state has %d bytes although it is compressed, and a Secret of Kubernetes holds at most %d: "+
			"let the service have fewer replicas, or a shorter spec", serve.ErrInvalid, size, corev1.MaxSecretSize)
	}
	return data, nil
}

// next gives the record that follows r with the given state and events. The
// events that r holds stay, unless they have been moved into a page.
func (r *record) next(save string, state serve.State, events []serve.Event) (*record, error) {
	state.Version = r.Version + 1
	n := &record{head: r.head, at: r.at, uid: r.uid}
	n.Format, n.Version, n.Save = stateFormat, state.Version, save
	n.events = append(n.events, r.events...)
	for _, e := range events {
		n.Last++
		e.Seq = n.Last
		n.events = append(n.events, e)
	}
	var err error
	n.state, err = compress(state)
	return n, err
}

// compress writes v as compressed JSON.
func compress(v any) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// expand reads what compress has written.
func expand(data []byte, v any) error {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
