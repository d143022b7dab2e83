// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// logged is one file of a log.
type logged struct {
	path string
	info fs.FileInfo
}

// logFiles lists the files of a log, the oldest first: those rotated away carry
// the time of that in their names.
//
// A rotation in the middle of the listing would leave out the file that was
// rotated. So a listing counts when the names are the same after it.
func logFiles(path string) ([]logged, error) {
	names, err := logNames(path)
	for err == nil {
		var files []logged
		for _, name := range names {
			file := filepath.Join(filepath.Dir(path), name)
			if info, err := os.Lstat(file); err == nil {
				files = append(files, logged{file, info})
			}
		}
		before := names
		if names, err = logNames(path); err == nil && slices.Equal(before, names) {
			return files, nil
		}
	}
	return nil, err
}

// logNames lists the names of a log's files, the oldest first.
func logNames(path string) ([]string, error) {
	current := filepath.Base(path)
	ext := filepath.Ext(path)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	var rotated, last []string
	for _, e := range entries {
		switch name := e.Name(); {
		case name == current:
			last = []string{name}
		case strings.HasPrefix(name, strings.TrimSuffix(current, ext)+"-") && strings.HasSuffix(name, ext):
			rotated = append(rotated, name)
		}
	}
	return append(rotated, last...), nil
}
