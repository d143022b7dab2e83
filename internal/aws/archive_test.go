// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// read gives a kept log.
func (a *Archive) read(t *testing.T, replica int64, tail int) string {
	t.Helper()
	log, err := a.Open(t.Context(), replica, serve.LogOptions{Tail: tail})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestArchiveKeepsTheLastLogs(t *testing.T) {
	d := newDepot(t)
	if _, err := d.bucket(nil).put(t.Context(), "logs/of-somebody-else.log", nil, whatever()); err != nil {
		t.Fatal(err)
	}
	for id := range int64(2 * archivedLogs) {
		// Each by another controller, as if machines followed one another.
		if err := NewArchive(d.bucket(nil)).Keep(t.Context(), id+1, strings.NewReader(fmt.Sprintf("hello from %d\n", id+1))); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(d.held(), "logs/replica-"); n != archivedLogs {
		t.Errorf("there are %d logs; want %d", n, archivedLogs)
	}
	a := NewArchive(d.bucket(nil))
	if text := a.read(t, 2*archivedLogs, 0); text != fmt.Sprintf("hello from %d\n", 2*archivedLogs) {
		t.Errorf("the last log is %q", text)
	}
	for _, forgotten := range []int64{1, archivedLogs, 99} {
		if _, err := a.Open(t.Context(), forgotten, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("the log of %d gives %v, want ErrNotFound", forgotten, err)
		}
	}
	// A log that is kept again, as after an end that had to be tried twice.
	if err := a.Keep(t.Context(), 2*archivedLogs, strings.NewReader("one\ntwo\nthree\n")); err != nil {
		t.Fatal(err)
	}
	if text := a.read(t, 2*archivedLogs, 2); text != "two\nthree\n" {
		t.Errorf("its last two lines are %q", text)
	}
}

func TestArchiveKeepsManyLogsAtOnce(t *testing.T) {
	d := newDepot(t)
	a := NewArchive(d.bucket(nil))
	var keeping sync.WaitGroup
	for id := range int64(3 * archivedLogs) {
		keeping.Go(func() {
			if err := a.Keep(t.Context(), id+1, strings.NewReader("hello\n")); err != nil {
				t.Error(err)
			}
		})
	}
	keeping.Wait()
	if n := strings.Count(d.held(), "logs/replica-"); n != archivedLogs {
		t.Errorf("there are %d logs; want %d", n, archivedLogs)
	}
}

func TestArchiveKeepsTheEndOfALog(t *testing.T) {
	a := NewArchive(newDepot(t).bucket(nil))
	line := strings.Repeat("x", 99) + "\n"
	if err := a.Keep(t.Context(), 1, strings.NewReader("the beginning\n"+strings.Repeat(line, 30_000)+"the end")); err != nil {
		t.Fatal(err)
	}
	text := a.read(t, 1, 0)
	if len(text) > archivedBytes || len(text) < archivedBytes-len(line) || !strings.HasPrefix(text, line) || !strings.HasSuffix(text, "\nthe end") {
		t.Errorf("kept are %d bytes, from %.20q on", len(text), text)
	}
}
