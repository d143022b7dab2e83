// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// read gives a kept log.
func (a ArchiveDir) read(t *testing.T, replica int64, tail int) string {
	t.Helper()
	log, err := a.Open(t.Context(), replica, serve.LogOptions{Tail: tail})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestArchive(t *testing.T) {
	t.Run("keeps the logs of the last replicas, however many end at once", func(t *testing.T) {
		a := ArchiveDir(t.TempDir())
		var keeping sync.WaitGroup
		for id := range int64(5 * archivedLogs) {
			keeping.Go(func() {
				if err := a.Keep(t.Context(), id+1, strings.NewReader("hello\n")); err != nil {
					t.Error(err)
				}
			})
		}
		keeping.Wait()
		if err := a.Keep(t.Context(), 5*archivedLogs+1, strings.NewReader("the last\n")); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(string(a))
		if err != nil || len(entries) != archivedLogs {
			t.Errorf("%d logs are kept, %v", len(entries), err)
		}
		if _, err := a.Open(t.Context(), 1, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("the first log gives %v", err)
		}
		if text := a.read(t, 5*archivedLogs+1, 0); text != "the last\n" {
			t.Errorf("the last log is %q", text)
		}
	})
	t.Run("keeps no more of a log than it says", func(t *testing.T) {
		a := ArchiveDir(t.TempDir())
		if err := a.Keep(t.Context(), 1, strings.NewReader(strings.Repeat("x", archivedBytes+1))); err != nil {
			t.Fatal(err)
		}
		if n := len(a.read(t, 1, 1)); n != archivedBytes {
			t.Errorf("kept are %d bytes", n)
		}
	})
	t.Run("gives the last lines", func(t *testing.T) {
		a := ArchiveDir(t.TempDir())
		if err := a.Keep(t.Context(), 1, strings.NewReader("one\ntwo\nthree\nfour\nfive")); err != nil {
			t.Fatal(err)
		}
		for tail, want := range map[int]string{1: "five", 2: "four\nfive", 5: "one\ntwo\nthree\nfour\nfive", math.MaxInt: "one\ntwo\nthree\nfour\nfive"} {
			if text := a.read(t, 1, tail); text != want {
				t.Errorf("the last %d lines are %q", tail, text)
			}
		}
	})
	t.Run("has no log that was not kept", func(t *testing.T) {
		if _, err := ArchiveDir(t.TempDir()).Open(t.Context(), 1, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("it gives %v", err)
		}
	})
}
