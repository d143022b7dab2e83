// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// clearScreen moves the cursor to the top left corner and clears what is below.
const clearScreen = "\x1b[H\x1b[2J\x1b[3J"

// watcher shows services again after every change.
type watcher struct {
	p     *Program
	at    place
	names []string
	show  func([]serve.Service) error
	// terminal says that a person looks on: the screen is cleared in between, and
	// shown every second so that ages move. Otherwise separate ends each showing.
	terminal bool
	separate string

	changed chan struct{}
	ended   chan string
	// watched are the services whose controllers tell of changes.
	watched map[string]bool
	// found says that there was something to show.
	found bool
}

// watch shows services until the context ends, or until all that were named are
// gone.
func watch(ctx context.Context, p *Program, at place, names []string, asJSON bool, show func([]serve.Service) error) error {
	w := &watcher{
		p: p, at: at, names: names, show: show,
		terminal: isTerminal(p.Stdout) && !asJSON,
		changed:  make(chan struct{}, 1), ended: make(chan string), watched: map[string]bool{},
	}
	if !asJSON {
		w.separate = "\n"
	}
	var listeners sync.WaitGroup
	defer listeners.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		gone, err := w.look(ctx, &listeners)
		if gone || err != nil {
			return err
		}
		if w.await(ctx, second.C) != nil {
			return nil
		}
	}
}

// await returns when it is time to look again.
func (w *watcher) await(ctx context.Context, second <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case name := <-w.ended:
			delete(w.watched, name)
			return nil
		case <-w.changed:
			return nil
		case <-second:
			// Where nobody tells of changes one has to look for them.
			if w.terminal || len(w.watched) == 0 {
				return nil
			}
		}
	}
}

// look shows the services as they are now, and listens to those it has not met
// before. It reports whether all that were named are gone.
func (w *watcher) look(ctx context.Context, listeners *sync.WaitGroup) (gone bool, err error) {
	services, _, err := w.p.services(ctx, w.at, w.names)
	if err != nil || ctx.Err() != nil {
		return false, err
	}
	if w.found && len(services) == 0 && len(w.names) > 0 {
		return true, nil
	}
	w.found = w.found || len(services) > 0
	for _, s := range services {
		if !w.watched[s.Name] && s.Status != serve.ControllerFailed {
			w.watched[s.Name] = true
			listeners.Go(func() { w.listen(ctx, s.Name) })
		}
	}
	if w.terminal {
		fmt.Fprint(w.p.Stdout, clearScreen)
	}
	if err := w.show(services); err != nil {
		return false, err
	}
	_, err = fmt.Fprint(w.p.Stdout, w.separate)
	return false, err
}

// listen tells of every change of one service.
func (w *watcher) listen(ctx context.Context, name string) {
	if client, _, err := w.p.find(ctx, w.at, name); err == nil {
		// An error says that the controller is gone; the next look will show it.
		_ = client.Watch(ctx, func(serve.Service) bool {
			select {
			case w.changed <- struct{}{}:
			default:
			}
			return true
		})
	}
	select {
	case w.ended <- name:
	case <-ctx.Done():
	}
}
