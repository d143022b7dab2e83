// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// LookPause is the least time between two questions about machines that somebody
// waits for.
const LookPause = 2 * time.Second

// Lookout follows the machines that somebody waits for, all of them with one question
// to the vendor at a time. I is a machine as the vendor describes it. There is one
// lookout for each place that takes a question of its own, such as a region.
type Lookout[I any] struct {
	describe func(ctx context.Context, ids []string) (map[string]I, error)

	mu sync.Mutex
	// waited counts who waits for each machine.
	waited map[string]int
	// asking is there while a question is under way; it is closed by the answer.
	asking chan struct{}
	// asked counts the questions, answered is the last one that has its answer, of
	// the time seenAt.
	asked, answered int
	seenAt          time.Time
	seen            map[string]I
	failed          error
}

// NewLookout gives a lookout by what describes machines by their ids. A machine that
// the vendor does not know, or not yet, is left out of what that gives.
func NewLookout[I any](describe func(ctx context.Context, ids []string) (map[string]I, error)) *Lookout[I] {
	return &Lookout[I]{describe: describe, waited: map[string]int{}}
}

// Until waits for a machine to be as is wanted. Wanted is asked again with each
// answer of the vendor, with nil while that does not know the machine; an error ends
// the waiting.
func (l *Lookout[I]) Until(ctx context.Context, id string, wanted func(*I) (bool, error)) (I, error) {
	l.wait(id, 1)
	defer l.wait(id, -1)
	for {
		var none I
		seen, err := l.look(ctx)
		if err != nil {
			return none, fmt.Errorf("looking for machine %s: %w", id, err)
		}
		var found *I
		if i, ok := seen[id]; ok {
			found = &i
		}
		ok, err := wanted(found)
		if err != nil || ok {
			if found == nil {
				found = &none
			}
			return *found, err
		}
	}
}

func (l *Lookout[I]) wait(id string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waited[id] += n; l.waited[id] == 0 {
		delete(l.waited, id)
	}
}

// look gives the answer to a question that is newer than the call. Whoever comes
// while nobody asks does so for all.
func (l *Lookout[I]) look(ctx context.Context) (map[string]I, error) {
	l.mu.Lock()
	next := l.asked + 1
	l.mu.Unlock()
	for {
		l.mu.Lock()
		switch {
		case l.answered >= next:
			defer l.mu.Unlock()
			return l.seen, l.failed
		case l.asking != nil:
			answered := l.asking
			l.mu.Unlock()
			select {
			case <-answered:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			continue
		}
		l.asking = make(chan struct{})
		pause := time.Until(l.seenAt.Add(LookPause))
		l.mu.Unlock()
		if pause > 0 {
			turns.Sleep(ctx, pause)
		}
		l.ask(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// ask asks for all machines that are waited for, and lets everybody know. When only
// the one who asks has given up, nobody is told of a failure: another asks.
func (l *Lookout[I]) ask(ctx context.Context) {
	l.mu.Lock()
	l.asked++
	question, ids := l.asked, slices.Sorted(maps.Keys(l.waited))
	l.mu.Unlock()
	at := time.Now()
	seen, failed := l.describe(ctx, ids)
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil {
		l.answered, l.seenAt, l.seen, l.failed = question, at, seen, failed
	}
	close(l.asking)
	l.asking = nil
}
