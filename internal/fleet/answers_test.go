// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

func TestWhatIsKnownIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a Answers[string]
		var asked [][]string
		ask := func(ctx context.Context, names []string) (map[string]string, error) {
			asked = append(asked, names)
			turns.Sleep(ctx, time.Second)
			return map[string]string{"a": "A", "b": "B"}, nil
		}
		of := func(names ...string) {
			t.Helper()
			got, err := a.Of(t.Context(), time.Minute, names, ask)
			if err != nil || got["a"] != "A" || got["c"] != "" || len(got) != len(names) {
				t.Errorf("got %v, %v", got, err)
			}
		}
		var both sync.WaitGroup
		both.Go(func() { of("a", "c") }) // of which there is no c
		both.Go(func() { of("a", "c") })
		both.Wait()
		of("a", "b", "c")
		<-time.After(time.Minute)
		of("a")
		if !slices.EqualFunc(asked, [][]string{{"a", "c"}, {"b"}, {"a"}}, slices.Equal) {
			t.Errorf("asked for %v", asked)
		}
	})
}

func TestAFailureIsNoAnswer(t *testing.T) {
	t.Parallel()
	var a Answers[int]
	down := errors.New("down")
	if n, err := a.One(t.Context(), time.Hour, "a", func(context.Context) (int, error) { return 1, down }); n != 0 || !errors.Is(err, down) {
		t.Errorf("got %d, %v", n, err)
	}
	if n, err := a.One(t.Context(), time.Hour, "a", func(context.Context) (int, error) { return 2, nil }); n != 2 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestWhatIsDroppedIsAskedAgain(t *testing.T) {
	t.Parallel()
	var a Answers[int]
	n := 0
	for range 2 {
		if got, err := a.One(t.Context(), time.Hour, "a", func(context.Context) (int, error) { n++; return n, nil }); got != n || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		if err := a.Drop(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if n != 2 {
		t.Errorf("asked %d times", n)
	}
}
