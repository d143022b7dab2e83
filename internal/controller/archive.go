// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Archive keeps the logs of replicas whose machines are gone.
type Archive interface {
	// Keep stores the log of a replica, or its end, and forgets the oldest ones.
	Keep(ctx context.Context, replica int64, log io.Reader) error
	// Open gives a kept log; serve.ErrNotFound if there is none.
	Open(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error)
}

// ArchiveDir is an [Archive] in a directory, with one file for each replica.
type ArchiveDir string

// archivedLogs is how many logs are kept. Of each it is the last lines, as the
// end tells why a replica failed, and never more than archivedBytes.
const (
	archivedLogs  = 20
	archivedLines = 50_000
	archivedBytes = 10 << 20
)

func (a ArchiveDir) path(replica int64) string {
	return filepath.Join(string(a), fmt.Sprintf("replica-%09d.log", replica))
}

// Keep implements [Archive].
func (a ArchiveDir) Keep(_ context.Context, replica int64, log io.Reader) error {
	if err := os.MkdirAll(string(a), 0o700); err != nil {
		return fmt.Errorf("making the log archive: %w", err)
	}
	f, err := os.OpenFile(a.path(replica), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keeping the log of replica %d: %w", replica, err)
	}
	_, err = io.Copy(f, io.LimitReader(log, archivedBytes))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keeping the log of replica %d: %w", replica, err)
	}
	names, err := filepath.Glob(filepath.Join(string(a), "replica-*.log"))
	if err != nil {
		return fmt.Errorf("listing the log archive: %w", err)
	}
	slices.Sort(names)
	for _, name := range names[:max(0, len(names)-archivedLogs)] {
		// Another replica's end may have removed it just now.
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forgetting an old log: %w", err)
		}
	}
	return nil
}

// Open implements [Archive].
func (a ArchiveDir) Open(_ context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	f, err := os.Open(a.path(replica))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the log of replica %d: %w", replica, serve.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", replica, err)
	}
	if opt.Tail <= 0 {
		return f, nil
	}
	defer f.Close()
	tail, err := opt.Last(f)
	if err != nil {
		return nil, fmt.Errorf("reading the log of replica %d: %w", replica, err)
	}
	return io.NopCloser(strings.NewReader(tail)), nil
}
