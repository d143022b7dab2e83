// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// lockPatience is the pause between two looks at a lock another process holds.
// Locks waited for are held for moments only.
const lockPatience = 5 * time.Millisecond

// lock takes the lock file at path, which it makes if need be, and waits for it
// until ctx ends. The kernel gives the lock back when this process dies.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	for {
		l := flock.New(path)
		if _, err := l.TryLockContext(ctx, lockPatience); err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if current(l, path) {
			return func() { _ = l.Unlock() }, nil
		}
		_ = l.Unlock()
	}
}

// current reports whether l is of the file that is at path now: it may have
// been removed and made again while the lock was waited for.
func current(l *flock.Flock, path string) bool {
	held, err := l.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}

// isLocked reports whether someone holds the lock file at path. A missing file
// is locked by nobody.
func isLocked(path string) (bool, error) {
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	// Shared, so that two who look at once do not see each other.
	free, err := l.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at the lock %s: %w", path, err)
	}
	if err := l.Unlock(); err != nil {
		return false, fmt.Errorf("looking at the lock %s: %w", path, err)
	}
	return !free, nil
}
