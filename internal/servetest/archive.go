// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Archive keeps the last logs of replicas that are gone.
type Archive interface {
	Keep(ctx context.Context, replica int64, log io.Reader) error
	Open(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error)
}

// TestArchive tests an archive that keeps so many logs, of which open gives another one
// each time: those of controllers that follow one another.
func TestArchive[A Archive](t *testing.T, most int64, open func() A) {
	t.Helper()
	for id := range 2 * most {
		if err := open().Keep(t.Context(), id+1, strings.NewReader(fmt.Sprintf("hello from %d\n", id+1))); err != nil {
			t.Fatal(err)
		}
	}
	a := open()
	for id := most + 1; id <= 2*most; id++ {
		if text := Kept(t, a, id, 0); text != fmt.Sprintf("hello from %d\n", id) {
			t.Errorf("the log of %d is %q", id, text)
		}
	}
	for _, forgotten := range []int64{1, most, 99} {
		if _, err := a.Open(t.Context(), forgotten, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("the log of %d gives %v, want ErrNotFound", forgotten, err)
		}
	}
	// A log that is kept again, as after an end that had to be tried twice.
	if err := a.Keep(t.Context(), 2*most, strings.NewReader("one\ntwo\nthree\n")); err != nil {
		t.Fatal(err)
	}
	if text := Kept(t, a, 2*most, 2); text != "two\nthree\n" {
		t.Errorf("its last two lines are %q", text)
	}
}

// Kept gives the last lines of a log, or all of it for none.
func Kept(t testing.TB, a Archive, replica int64, tail int) string {
	t.Helper()
	log, err := a.Open(t.Context(), replica, serve.LogOptions{Tail: tail})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(log)
	if err := errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}
