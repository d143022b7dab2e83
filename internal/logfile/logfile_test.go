// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package logfile

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// logFile is the name of the logs here.
const logFile = "replica.log"

// written fills a log directory with rotated files and a current one.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, logFile)
}

func TestTailOfARotatedLog(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", tailBlock)
	rotated := map[string]string{
		"replica-2026-01-01T00-00-00.000.log": "one\ntwo\n",
		"replica-2026-01-02T00-00-00.000.log": "three\n",
		"replica.log":                         "four\nfive",
		"other.log":                           "not ours\n",
	}
	for name, c := range map[string]struct {
		files map[string]string
		tail  int
		want  string
	}{
		"all of it":                      {rotated, 0, "one\ntwo\nthree\nfour\nfive"},
		"the unfinished line is one":     {rotated, 1, "five"},
		"within the current file":        {rotated, 2, "four\nfive"},
		"into the file before":           {rotated, 3, "three\nfour\nfive"},
		"into the file before that":      {rotated, 4, "two\nthree\nfour\nfive"},
		"more than there is":             {rotated, 99, "one\ntwo\nthree\nfour\nfive"},
		"a line feed at the end":         {map[string]string{logFile: "a\nb\n"}, 1, "b\n"},
		"an empty line is a line":        {map[string]string{logFile: "a\n\n"}, 1, "\n"},
		"lines longer than what is read": {map[string]string{logFile: "a\n" + long + "\n" + long + "\n"}, 2, long + "\n" + long + "\n"},
		"an empty current file":          {map[string]string{"replica-1.log": "a\nb\n", logFile: ""}, 1, "b\n"},
		"nothing was ever printed":       {nil, 5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, err := Open(t.Context(), written(t, c.files), serve.LogOptions{Tail: c.tail}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			if got, err := io.ReadAll(log); err != nil || string(got) != c.want {
				t.Errorf("the log is %.60q, %v; want %.60q", got, err, c.want)
			}
		})
	}
}

func TestAFollowerLosesNothingToRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), logFile)
	log := Create(path)
	defer log.Close()
	ended, end := context.WithCancel(t.Context())
	reader, err := Open(t.Context(), path, serve.LogOptions{Follow: true}, func(ctx context.Context) error {
		select {
		case <-ended.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	const lines = 5000
	go func() {
		defer end()
		for n := range lines {
			fmt.Fprintf(log, "%d\n", n)
			if n%2000 == 1999 {
				// As when it has reached its size, only sooner.
				if err := log.file.Rotate(); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	got, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	read := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
	if len(read) != lines {
		t.Fatalf("read %d lines, want %d", len(read), lines)
	}
	for n, line := range read {
		if line != fmt.Sprint(n) {
			t.Fatalf("line %d is %q", n, line)
		}
	}
	if files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "replica-*.log")); err != nil || len(files) == 0 {
		t.Errorf("the log was never rotated: %v", err)
	}
}
