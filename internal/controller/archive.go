// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"bufio"
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

// Archive keeps the logs of replicas whose machines are gone in a directory,
// one file for each. The zero Archive keeps nothing.
type Archive struct{ Dir string }

// archivedLogs is how many logs are kept. Of each it is the last lines, as the
// end tells why a replica failed, and never more than archivedBytes.
const (
	archivedLogs  = 20
	archivedLines = 50_000
	archivedBytes = 10 << 20
)

func (a Archive) path(replica int64) string {
	return filepath.Join(a.Dir, fmt.Sprintf("replica-%09d.log", replica))
}

// keep stores the log of a replica and forgets the oldest ones.
func (a Archive) keep(replica int64, log io.Reader) error {
	if a.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
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
	names, err := filepath.Glob(filepath.Join(a.Dir, "replica-*.log"))
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

// open gives a kept log; serve.ErrNotFound if there is none.
func (a Archive) open(replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	none := fmt.Errorf("the log of replica %d: %w", replica, serve.ErrNotFound)
	if a.Dir == "" {
		return nil, none
	}
	f, err := os.Open(a.path(replica))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", replica, err)
	}
	if opt.Tail <= 0 {
		return f, nil
	}
	defer f.Close()
	tail, err := lastLines(f, opt.Tail)
	if err != nil {
		return nil, fmt.Errorf("reading the log of replica %d: %w", replica, err)
	}
	return io.NopCloser(strings.NewReader(tail)), nil
}

// lastLines gives the last n lines of r.
func lastLines(r io.Reader, n int) (string, error) {
	var lines []string
	reader := bufio.NewReader(r)
	for {
		line, err := reader.ReadString('\n')
		if line != "" {
			lines = append(lines, line)
		}
		if len(lines)-n > n { // seldom, as each time all that stay are moved
			lines = slices.Delete(lines, 0, len(lines)-n)
		}
		if errors.Is(err, io.EOF) {
			return strings.Join(lines[max(0, len(lines)-n):], ""), nil
		}
		if err != nil {
			return "", err
		}
	}
}
