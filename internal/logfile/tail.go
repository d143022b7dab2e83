// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// tailBlock is how much of a log is read at once while its last lines are
// looked for.
const tailBlock = 64 << 10

// tail gives the position before the last n lines of a log, the beginning when
// n is 0.
func tail(path string, n int) (position, error) {
	if n <= 0 {
		return position{}, nil
	}
	files, err := logFiles(path)
	if err != nil {
		return position{}, err
	}
	missing := n
	for _, l := range slices.Backward(files) {
		offset, found, err := lastLines(l.path, missing)
		if err != nil {
			return position{}, err
		}
		if missing -= found; missing <= 0 {
			return position{file: l.info, offset: offset}, nil
		}
	}
	return position{}, nil
}

// lastLines looks backward for the beginning of the nth line from the end. It
// gives its offset, and how many lines begin in the file, at most n.
func lastLines(path string, n int) (offset int64, found int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("reading a log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("reading a log: %w", err)
	}
	end := info.Size()
	if end == 0 {
		return 0, 0, nil
	}
	block := make([]byte, tailBlock)
	for end > 0 {
		start := max(0, end-tailBlock)
		part := block[:end-start]
		if _, err := f.ReadAt(part, start); err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, fmt.Errorf("reading a log: %w", err)
		}
		for i := bytes.LastIndexByte(part, '\n'); i >= 0; i = bytes.LastIndexByte(part[:i], '\n') {
			at := start + int64(i) + 1
			// A line feed at the end does not begin another line.
			if at == info.Size() {
				continue
			}
			if found++; found == n {
				return at, found, nil
			}
		}
		end = start
	}
	return 0, found + 1, nil
}
