// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// read gives a kept log.
func read(t *testing.T, a *record.Archive, replica int64, tail int) string {
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
	t.Parallel()
	d := newDepot(t)
	if _, err := d.bucket.Put(t.Context(), "logs/of-somebody-else.log", nil, bucket.Condition{}); err != nil {
		t.Fatal(err)
	}
	for id := range int64(2 * record.ArchivedLogs) {
		// Each by another controller, as if machines followed one another.
		if err := bucket.NewArchive(d.bucket).Keep(t.Context(), id+1, strings.NewReader(fmt.Sprintf("hello from %d\n", id+1))); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(strings.Join(d.held(), " "), "logs/replica-"); n != record.ArchivedLogs {
		t.Errorf("there are %d logs; want %d", n, record.ArchivedLogs)
	}
	a := bucket.NewArchive(d.bucket)
	if text := read(t, a, 2*record.ArchivedLogs, 0); text != fmt.Sprintf("hello from %d\n", 2*record.ArchivedLogs) {
		t.Errorf("the last log is %q", text)
	}
	for _, forgotten := range []int64{1, record.ArchivedLogs, 99} {
		if _, err := a.Open(t.Context(), forgotten, serve.LogOptions{}); !errors.Is(err, serve.ErrNotFound) {
			t.Errorf("the log of %d gives %v, want ErrNotFound", forgotten, err)
		}
	}
	// A log that is kept again, as after an end that had to be tried twice.
	if err := a.Keep(t.Context(), 2*record.ArchivedLogs, strings.NewReader("one\ntwo\nthree\n")); err != nil {
		t.Fatal(err)
	}
	if text := read(t, a, 2*record.ArchivedLogs, 2); text != "two\nthree\n" {
		t.Errorf("its last two lines are %q", text)
	}
}

func TestArchiveKeepsManyLogsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	a := bucket.NewArchive(d.bucket)
	var keeping sync.WaitGroup
	for id := range int64(3 * record.ArchivedLogs) {
		keeping.Go(func() {
			if err := a.Keep(t.Context(), id+1, strings.NewReader("hello\n")); err != nil {
				t.Error(err)
			}
		})
	}
	keeping.Wait()
	if n := strings.Count(strings.Join(d.held(), " "), "logs/replica-"); n != record.ArchivedLogs {
		t.Errorf("there are %d logs; want %d", n, record.ArchivedLogs)
	}
}

func TestArchiveKeepsTheEndOfALog(t *testing.T) {
	t.Parallel()
	a := bucket.NewArchive(buckettest.New())
	line := strings.Repeat("x", 99) + "\n"
	if err := a.Keep(t.Context(), 1, strings.NewReader("the beginning\n"+strings.Repeat(line, 30_000)+"the end")); err != nil {
		t.Fatal(err)
	}
	text := read(t, a, 1, 0)
	if len(text) > bucket.ArchivedBytes || len(text) < bucket.ArchivedBytes-len(line) || !strings.HasPrefix(text, line) || !strings.HasSuffix(text, "\nthe end") {
		t.Errorf("kept are %d bytes, from %.20q on", len(text), text)
	}
}
