// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bucket_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func TestArchiveKeepsTheLastLogs(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	if _, err := d.bucket.Put(t.Context(), "logs/of-somebody-else.log", nil, bucket.Condition{}); err != nil {
		t.Fatal(err)
	}
	servetest.TestArchive(t, record.ArchivedLogs, func() *record.Archive { return bucket.NewArchive(d.bucket) })
	if n := strings.Count(strings.Join(d.held(), " "), "logs/replica-"); n != record.ArchivedLogs {
		t.Errorf("there are %d logs; want %d", n, record.ArchivedLogs)
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
	text := servetest.Kept(t, a, 1, 0)
	if len(text) > bucket.ArchivedBytes || len(text) < bucket.ArchivedBytes-len(line) || !strings.HasPrefix(text, line) || !strings.HasSuffix(text, "\nthe end") {
		t.Errorf("kept are %d bytes, from %.20q on", len(text), text)
	}
}
