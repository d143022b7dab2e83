// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package changes tells of changes in directories, as the kernel sees them happen.
package changes

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// ErrMissed means that there were more changes at once than could be told. What
// was watched has to be looked at anew.
var ErrMissed = errors.New("changes were missed")

// Event is one change. Its Name is the path of what has changed.
type Event = fsnotify.Event

// Created reports whether something has got its name by the change: it was made,
// or renamed to it.
func Created(e Event) bool { return e.Has(fsnotify.Create) }

// Watcher watches directories until it is closed. Its Events are the changes of
// what is directly in them; the channel is closed with the watcher.
type Watcher struct {
	*fsnotify.Watcher
	// Failed receives the first error that means that a change may have been missed.
	Failed <-chan error
	failed chan<- error
	done   chan struct{}
}

// Watch watches the directories dirs, and those added later by Add.
func Watch(dirs ...string) (*Watcher, error) {
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	failed := make(chan error, 1)
	w := &Watcher{Watcher: files, Failed: failed, failed: failed, done: make(chan struct{})}
	go w.drain()
	for _, dir := range dirs {
		if err := w.Add(dir); err != nil {
			w.Close()
			return nil, fmt.Errorf("watching %s: %w", dir, err)
		}
	}
	return w, nil
}

// drain takes errors as they come: the library holds a lock while it hands one
// out, so that whoever calls Add or Close instead of taking it waits for ever.
func (w *Watcher) drain() {
	defer close(w.done)
	for err := range w.Errors {
		// A directory that goes while its watch is taken down is no loss.
		if errors.Is(err, syscall.EINVAL) {
			continue
		}
		if errors.Is(err, fsnotify.ErrEventOverflow) {
			err = ErrMissed
		}
		select {
		case w.failed <- fmt.Errorf("watching files: %w", err):
		default:
		}
	}
}

// Close ends the watching.
func (w *Watcher) Close() {
	// There is nothing that could fail but a second time.
	_ = w.Watcher.Close()
	<-w.done
}
