// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Place is where a service may have machines, in the form in which it is kept for
// whoever has to find them when there is nobody left to ask. C is how the cloud is
// reached.
type Place[C any] struct {
	Config C `json:"config"`
	// Account is whose machines they are, empty while nobody has asked: with the
	// credentials of another one nothing would be found, and all be taken for gone.
	Account string `json:"account,omitempty"`
	// Regions are those in which a machine was, or was about to be, made.
	Regions []string `json:"regions,omitempty"`
	// Everywhere says that nothing is known of where machines were made.
	Everywhere bool `json:"everywhere,omitempty"`
}

func (p Place[C]) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return string(text)
}

// ParsePlace reads a place; an empty text is one where nothing ever was.
func ParsePlace[C any](text string) (Place[C], error) {
	var p Place[C]
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Place[C]{}, fmt.Errorf("reading where there are machines: %w", err)
	}
	return p, nil
}

// Brief gives what a controller is to know of a cloud before it starts, from what is
// known and how the cloud is to be reached; empty where there is nothing to know. See
// [Options].Known.
func Brief[C any](known string, c C) (string, error) {
	p, err := ParsePlace[C](known)
	if err != nil || known == "" && reflect.ValueOf(c).IsZero() {
		return "", err
	}
	p.Config = c
	return p.String(), nil
}

// unused says that there has never been a machine, for certain.
func (o Options) unused() bool {
	p, err := ParsePlace[json.RawMessage](o.Known)
	return err == nil && (o.Known != "" || o.Note != nil) && len(p.Regions) == 0 && !p.Everywhere
}

// Whereabouts keep where in an account there may be machines.
type Whereabouts[C any] struct {
	keep func(where string) error

	mu sync.Mutex
	// place is what was kept last.
	place Place[C]
}

// NewWhereabouts reads what is known of an account.
func NewWhereabouts[C any](o Options) (*Whereabouts[C], error) {
	p, err := ParsePlace[C](o.Known)
	if err != nil {
		return nil, err
	}
	p.Everywhere = p.Everywhere || o.Known == "" && o.Note == nil
	return &Whereabouts[C]{keep: o.Note, place: p}, nil
}

// Config is how the account is reached.
func (w *Whereabouts[C]) Config() C {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.place.Config
}

// Belong says whose the machines are that will be made; serve.ErrUnauthorized where
// there are some of another account. Kind is what the vendor calls such a thing.
func (w *Whereabouts[C]) Belong(kind, account string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if was := w.place.Account; was != "" && was != account {
		return fmt.Errorf("these are credentials of %s %s, and this controller works with %s %s, in which it may have machines: %w", kind, account, kind, was, serve.ErrUnauthorized)
	}
	w.place.Account = account
	return nil
}

// Populated gives the regions in which machines may be: those noted, or where it is
// not known, all of them.
func (w *Whereabouts[C]) Populated(all []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.place.Everywhere {
		return all
	}
	return slices.Clone(w.place.Regions)
}

// Settle keeps that there may be machines in a region, before one is made there.
func (w *Whereabouts[C]) Settle(region string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Contains(w.place.Regions, region) {
		return nil
	}
	next := w.place
	next.Regions = append(slices.Clone(next.Regions), region)
	slices.Sort(next.Regions)
	if w.keep != nil {
		if err := w.keep(next.String()); err != nil {
			return err
		}
	}
	w.place = next
	return nil
}
