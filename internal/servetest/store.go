// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// StoreFactory makes a place for a new store and gives a function that opens
// the store there. The function is called again when the store it gave before
// was closed.
type StoreFactory func(t *testing.T) (open func() serve.Store)

// TestStore tests an implementation of [serve.Store].
func TestStore(t *testing.T, factory StoreFactory) {
	tests := map[string]func(p place){
		"a new store holds nothing":              testNewStore,
		"what was saved comes back":              testSavedStateComesBack,
		"only who saw the last version may save": testStaleSaveIsRefused,
		"one of many savers wins":                testOneSaverWins,
		"events are numbered by the store":       testEventsAreNumbered,
		"events are read page by page":           testEventPages,
		"the last thousand events are kept":      testEventsAreKept,
		"a reopened store goes on":               testReopenedStoreGoesOn,
		"nothing is shared with callers":         testNothingIsShared,
		"an ended context is no half save":       testEndedContext,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(place{T: t, open: factory(t)}) })
	}
}

// place is where one test keeps its store.
type place struct {
	*testing.T
	open func() serve.Store
}

// start opens the store until the test ends.
func (p place) start() serve.Store {
	p.Helper()
	s := p.open()
	p.Cleanup(func() { p.close(s) })
	return s
}

func (p place) close(s serve.Store) {
	p.Helper()
	if err := s.Close(); err != nil {
		p.Errorf("Close: %v", err)
	}
}

// save saves and expects it to succeed with the next version.
func (p place) save(s serve.Store, state serve.State, events ...serve.Event) (next serve.State, last int64) {
	p.Helper()
	version, last, err := s.Save(p.Context(), state, events)
	if err != nil {
		p.Fatalf("Save of version %d: %v", state.Version, err)
	}
	if version != state.Version+1 {
		p.Fatalf("Save of version %d gave version %d", state.Version, version)
	}
	state.Version = version
	return state, last
}

// holds expects the store to give back the state.
func (p place) holds(s serve.Store, want serve.State) {
	p.Helper()
	got, err := s.Load(p.Context())
	if err != nil {
		p.Fatalf("Load: %v", err)
	}
	if got, want := p.json(got), p.json(want); got != want {
		p.Errorf("Load gave\n%s\nwant\n%s", got, want)
	}
}

// events reads events and expects them to be numbered without gaps.
func (p place) events(s serve.Store, after int64, limit int) []serve.Event {
	p.Helper()
	events, err := s.Events(p.Context(), after, limit)
	if err != nil {
		p.Fatalf("Events after %d: %v", after, err)
	}
	for i, e := range events {
		if i > 0 && e.Seq != events[i-1].Seq+1 {
			p.Fatalf("event %d comes after event %d", e.Seq, events[i-1].Seq)
		}
	}
	return events
}

func (p place) json(v any) string {
	p.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}

func testNewStore(p place) {
	s := p.start()
	if _, err := s.Load(p.Context()); !errors.Is(err, serve.ErrNotFound) {
		p.Errorf("Load: %v, want ErrNotFound", err)
	}
	if events := p.events(s, 0, 10); len(events) > 0 {
		p.Errorf("there are %d events", len(events))
	}
	// The save of one who believes that there is a state is refused.
	if _, _, err := s.Save(p.Context(), serve.State{Version: 1}, nil); !errors.Is(err, serve.ErrConflict) {
		p.Errorf("Save of version 1: %v, want ErrConflict", err)
	}
}

func testSavedStateComesBack(p place) {
	s := p.start()
	state, _ := p.save(s, exampleState())
	p.holds(s, state)
	state.Deleting, state.Replicas, state.Old = true, nil, nil
	state, _ = p.save(s, state)
	p.holds(s, state)
}

func testStaleSaveIsRefused(p place) {
	s := p.start()
	first, _ := p.save(s, exampleState(), serve.Event{Message: "first"})
	second, _ := p.save(s, first, serve.Event{Message: "second"})
	for _, version := range []uint64{0, first.Version, second.Version + 1, math.MaxUint64} {
		stale := first
		stale.Version, stale.Name = version, "stale"
		if _, _, err := s.Save(p.Context(), stale, []serve.Event{{Message: "stale"}}); !errors.Is(err, serve.ErrConflict) {
			p.Errorf("Save of version %d over %d: %v, want ErrConflict", version, second.Version, err)
		}
	}
	p.holds(s, second)
	if events := p.events(s, 0, 10); len(events) != 2 {
		p.Errorf("there are %d events, want the 2 of the saves that were accepted", len(events))
	}
}

func testOneSaverWins(p place) {
	s := p.start()
	state, _ := p.save(s, exampleState())
	const savers = 8
	errs := make([]error, savers)
	var wg sync.WaitGroup
	for i := range savers {
		wg.Go(func() {
			mine := state
			mine.Name = fmt.Sprint("saver-", i)
			_, _, errs[i] = s.Save(p.Context(), mine, []serve.Event{{Message: mine.Name}})
		})
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 {
		p.Fatalf("nobody won: %v", errs)
	}
	for i, err := range errs {
		if i != winner && !errors.Is(err, serve.ErrConflict) {
			p.Errorf("saver %d: %v, want ErrConflict as saver %d has won", i, err, winner)
		}
	}
	state.Version++
	state.Name = fmt.Sprint("saver-", winner)
	p.holds(s, state)
	if events := p.events(s, 0, 10); len(events) != 1 || events[0].Message != state.Name {
		p.Errorf("events are %v, want the winner's one", events)
	}
}

func testEventsAreNumbered(p place) {
	s := p.start()
	example := exampleEvent()
	example.Seq = 42 // not for the caller to say
	state, last := p.save(s, exampleState(), example, serve.Event{Message: "second"})
	if last != 2 {
		p.Errorf("the last event is %d, want 2", last)
	}
	state, last = p.save(s, state)
	if last != 2 {
		p.Errorf("a save without events gave %d as the last event, want 2", last)
	}
	if _, last = p.save(s, state, serve.Event{Message: "third"}); last != 3 {
		p.Errorf("the last event is %d, want 3", last)
	}
	events := p.events(s, 0, 10)
	if len(events) != 3 || events[0].Seq != 1 {
		p.Fatalf("events are %v, want three from 1", events)
	}
	example.Seq = 1
	if got, want := p.json(events[0]), p.json(example); got != want {
		p.Errorf("the event came back as\n%s\nwant\n%s", got, want)
	}
}

func testEventPages(p place) {
	s := p.start()
	p.save(s, exampleState(), make([]serve.Event, 5)...)
	for _, tt := range []struct {
		after int64
		limit int
		want  []int64
	}{
		{0, 2, []int64{1, 2}},
		{2, 2, []int64{3, 4}},
		{4, 2, []int64{5}},
		{5, 2, nil},
		{99, 2, nil},
		{math.MaxInt64, 2, nil},
		{-1, 1, []int64{1}},
		{0, 0, nil},
	} {
		var got []int64
		for _, e := range p.events(s, tt.after, tt.limit) {
			got = append(got, e.Seq)
		}
		if !slices.Equal(got, tt.want) {
			p.Errorf("%d events after %d are %v, want %v", tt.limit, tt.after, got, tt.want)
		}
	}
}

func testEventsAreKept(p place) {
	s := p.start()
	state, last := p.save(s, exampleState(), make([]serve.Event, 700)...)
	for range 2 {
		state, last = p.save(s, state, make([]serve.Event, 700)...)
	}
	if last != 2100 {
		p.Fatalf("the last event is %d, want 2100", last)
	}
	events := p.events(s, last-1000, 5000)
	if len(events) != 1000 || events[0].Seq != last-999 {
		p.Errorf("there are %d of the last 1000 events", len(events))
	}
}

func testReopenedStoreGoesOn(p place) {
	s := p.open()
	state, _ := p.save(s, exampleState(), serve.Event{Message: "first"}, serve.Event{Message: "second"})
	p.close(s)

	s = p.start()
	p.holds(s, state)
	if events := p.events(s, 0, 10); len(events) != 2 || events[1].Message != "second" {
		p.Errorf("events are %v, want those of before", events)
	}
	stale := state
	stale.Version--
	if _, _, err := s.Save(p.Context(), stale, nil); !errors.Is(err, serve.ErrConflict) {
		p.Errorf("a stale save: %v, want ErrConflict", err)
	}
	if _, last := p.save(s, state, serve.Event{Message: "third"}); last != 3 {
		p.Errorf("the next event is %d, want 3", last)
	}
}

func testNothingIsShared(p place) {
	s := p.start()
	given, want := exampleState(), exampleState()
	saved, _ := p.save(s, given)
	want.Version = saved.Version
	spoil(&given)
	p.holds(s, want)
	loaded, err := s.Load(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	spoil(&loaded)
	p.holds(s, want)
}

// spoil changes everything that a copy of the state would share with it.
func spoil(s *serve.State) {
	s.Replicas[0].Message = "spoilt"
	s.Spec.Envs["SPOILT"] = "yes"
	s.Old[1].Envs["SPOILT"] = "yes"
	s.Spec.TLS.Certificate = "spoilt"
	s.Memory[2] = 'X'
}

// testEndedContext leaves it to the store whether it still saves, but what it
// says must be what it did.
func testEndedContext(p place) {
	s := p.start()
	state, _ := p.save(s, exampleState())
	ctx, cancel := context.WithCancel(p.Context())
	cancel()
	next := state
	next.Name = "next"
	version, _, err := s.Save(ctx, next, []serve.Event{{Message: "next"}})
	if err == nil {
		next.Version = version
		p.holds(s, next)
		return
	}
	if !errors.Is(err, context.Canceled) {
		p.Errorf("Save: %v, want context.Canceled", err)
	}
	p.holds(s, state)
	if events := p.events(s, 0, 10); len(events) > 0 {
		p.Errorf("events of a refused save are there: %v", events)
	}
}
