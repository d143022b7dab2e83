// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/changes"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Open reads the log at path, which need not be there yet. With opt.Follow it goes
// on until ended returns, ctx ends or the reader is closed.
func Open(ctx context.Context, path string, opt serve.LogOptions, ended func(context.Context) error) (io.ReadCloser, error) {
	from, err := tail(path, opt.Tail)
	if err != nil {
		return nil, err
	}
	var watched *changes.Watcher
	if opt.Follow {
		if watched, err = changes.Watch(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("following a log: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	l := &logReader{PipeReader: r, cancel: cancel, done: make(chan struct{})}
	// A pipe waits for its reader; the end of ctx must end that wait too.
	stop := context.AfterFunc(ctx, func() { w.CloseWithError(io.EOF) })
	f := follower{path: path, at: from, out: w}
	go func() {
		defer close(l.done)
		defer cancel()
		defer stop()
		w.CloseWithError(f.run(ctx, watched, ended))
	}()
	return l, nil
}

// logReader is the reading end.
type logReader struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends the reading and everything behind it.
func (l *logReader) Close() error {
	l.cancel()
	l.PipeReader.Close()
	<-l.done
	return nil
}

// follower copies a log file by file.
type follower struct {
	path string
	at   position
	out  io.Writer
}

// position is a place in a log: behind what was read of a file.
type position struct {
	file   fs.FileInfo // nil before the log's first file
	offset int64
}

func (f *follower) run(ctx context.Context, watched *changes.Watcher, ended func(context.Context) error) error {
	if watched == nil {
		return f.copy()
	}
	defer watched.Close()
	waiting, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		over <- ended(waiting)
	}()
	defer func() {
		cancel()
		<-done
	}()
	for {
		if err := f.copy(); err != nil {
			return err
		}
		select {
		case <-watched.Events:
		case err := <-watched.Failed:
			// That something has changed is all there is to know.
			if !errors.Is(err, changes.ErrMissed) {
				return err
			}
		case err := <-over:
			return errors.Join(err, f.copy())
		case <-ctx.Done():
			return nil
		}
	}
}

// copy copies everything there is behind the present position.
func (f *follower) copy() error {
	for {
		files, err := logFiles(f.path)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(files, func(l logged) bool { return f.at.file != nil && os.SameFile(f.at.file, l.info) })
		if i < 0 {
			// Nothing was read yet, or what was is not kept any more.
			if len(files) == 0 {
				return nil
			}
			i, f.at = 0, position{file: files[0].info}
		}
		if err := f.copyFile(files[i].path); err != nil {
			return err
		}
		if i == len(files)-1 {
			return nil
		}
		f.at = position{file: files[i+1].info}
	}
}

// copyFile copies the rest of the file at the present position, if it is still
// the one at path.
func (f *follower) copyFile(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !os.SameFile(info, f.at.file) {
		return err
	}
	n, err := io.Copy(f.out, io.NewSectionReader(file, f.at.offset, info.Size()-f.at.offset))
	f.at.offset += n
	if err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	return nil
}
