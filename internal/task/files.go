// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package task

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Files are the files of a task.
type Files struct {
	Task serve.Task
	// Work is the working directory.
	Work string
	// Mount gives the path of a file mount; serve.ErrInvalid when nothing can be there.
	Mount func(target string) (string, error)
	// Open opens a bundle by its digest.
	Open func(digest string) (io.ReadCloser, error)
}

// Unpack puts the files in place: the working copy first, as files may be mounted
// into it. Doing it again after it was broken off does it all.
func (f Files) Unpack(ctx context.Context) error {
	if f.Task.Workdir != "" {
		if err := f.unpack(ctx, f.Task.Workdir, f.Work); err != nil {
			return fmt.Errorf("furnishing the working directory: %w", err)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(f.Task.FileMounts)) {
		path, err := f.Mount(target)
		if err == nil {
			err = f.unpack(ctx, f.Task.FileMounts[target], path)
		}
		if err != nil {
			return fmt.Errorf("furnishing the file mount %q: %w", target, err)
		}
	}
	return nil
}

func (f Files) unpack(ctx context.Context, digest, path string) error {
	content, err := f.Open(digest)
	if err != nil {
		return fmt.Errorf("opening bundle %s: %w", digest, err)
	}
	defer content.Close()
	return bundle.Unpack(reader{ctx, content}, path)
}

// MountsHome reports whether files of the task are mounted below "~/".
func MountsHome(t serve.Task) bool {
	for target := range t.FileMounts {
		if strings.HasPrefix(target, "~/") {
			return true
		}
	}
	return false
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
