// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// vendor describes machines that come up when their time has come.
type vendor struct {
	mu    sync.Mutex
	asked [][]string
	up    map[string]time.Time
	// fail is what every question is answered with.
	fail error
}

func (v *vendor) describe(ctx context.Context, ids []string) (map[string]string, error) {
	if !turns.Sleep(ctx, 100*time.Millisecond) {
		return nil, ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, ids)
	if v.fail != nil {
		return nil, v.fail
	}
	seen := map[string]string{}
	for _, id := range ids {
		if up, ok := v.up[id]; ok && time.Now().After(up) {
			seen[id] = "up"
		}
	}
	return seen, nil
}

func up(state *string) (bool, error) { return state != nil && *state == "up", nil }

func TestAllWhoWaitShareOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{up: map[string]time.Time{}}
		l := NewLookout(v.describe)
		began := time.Now()
		var all sync.WaitGroup
		for n := range 50 {
			id := fmt.Sprint("machine", n)
			v.up[id] = began.Add(19 * time.Second)
			all.Go(func() {
				if state, err := l.Until(t.Context(), id, up); state != "up" || err != nil {
					t.Errorf("%s is %q, %v", id, state, err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 22*time.Second {
			t.Errorf("it took %v", took)
		}
		if n := len(v.asked); n > 12 || len(v.asked[n-1]) != 50 {
			t.Errorf("the vendor was asked %d times, at last for %v", n, v.asked[n-1])
		}
	})
}

// Who asks does so for all, and may be the one who gives up.
func TestWhoeverGivesUpLeavesTheQuestionToAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{up: map[string]time.Time{"a": time.Now().Add(time.Minute), "b": time.Now().Add(10 * time.Second)}}
		l := NewLookout(v.describe)
		short, cancel := context.WithTimeout(t.Context(), 2050*time.Millisecond) // in the middle of a question
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := l.Until(short, "a", up); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one got %v", err)
			}
		})
		all.Go(func() {
			if _, err := l.Until(t.Context(), "b", up); err != nil {
				t.Errorf("the patient one got %v", err)
			}
		})
		all.Wait()
		if last := v.asked[len(v.asked)-1]; !slices.Equal(last, []string{"b"}) {
			t.Errorf("at last the vendor was asked for %v", last)
		}
	})
}

func TestAFailureIsToldToEverybodyWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		v := &vendor{fail: down}
		l := NewLookout(v.describe)
		var all sync.WaitGroup
		for _, id := range []string{"a", "b"} {
			all.Go(func() {
				if _, err := l.Until(t.Context(), id, up); !errors.Is(err, down) {
					t.Errorf("waiting for %s: %v", id, err)
				}
			})
		}
		all.Wait()
	})
}
