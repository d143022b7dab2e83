// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// watcher tells of changes in directories.
type watcher struct {
	*fsnotify.Watcher
	// failed holds the first error that means that a change may have been missed.
	failed chan error
	done   chan struct{}
}

// newWatcher watches the directories dirs, and those added later.
func newWatcher(dirs ...string) (*watcher, error) {
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	w := &watcher{Watcher: files, failed: make(chan error, 1), done: make(chan struct{})}
	go w.drain()
	for _, dir := range dirs {
		if err := w.Add(dir); err != nil {
			w.close()
			return nil, fmt.Errorf("watching %s: %w", dir, err)
		}
	}
	return w, nil
}

// drain takes errors as they come: the library holds a lock while it hands one
// out, so that whoever calls Add or Close instead of taking it waits for ever.
func (w *watcher) drain() {
	defer close(w.done)
	for err := range w.Errors {
		// A directory that goes while its watch is taken down is no loss.
		if errors.Is(err, syscall.EINVAL) {
			continue
		}
		select {
		case w.failed <- fmt.Errorf("watching files: %w", err):
		default:
		}
	}
}

func (w *watcher) close() {
	w.Close()
	<-w.done
}
