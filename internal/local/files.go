// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mustEncode encodes a value of strings and numbers, which cannot fail.
func mustEncode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// exists reports whether there is anything at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// remove takes the directory away. It goes out of sight at once, so that a
// crash leaves no half of it.
func remove(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), buried+filepath.Base(dir))
	if err := removeAll(gone); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return removeAll(gone)
}

// removeAll is os.RemoveAll also for directories that were made read-only, as
// module caches are.
func removeAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	_ = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return err
	})
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}

// sweepDirs removes the directories in dir whose names begin with one of the
// prefixes: what crashes have left in the making or in the clearing away.
func sweepDirs(dir string, prefixes ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sweeping %s: %w", dir, err)
	}
	for _, e := range entries {
		for _, prefix := range prefixes {
			if !strings.HasPrefix(e.Name(), prefix) {
				continue
			}
			if err := removeAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
