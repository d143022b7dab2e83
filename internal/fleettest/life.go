// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// Home is what a controller has, and leaves to the next.
type Home struct {
	Service string
	Worlds  []*World
	Store   StoreOf
	// Log is what the controllers have said.
	Log io.Writer

	// known is what the clouds have noted, by their place in Worlds.
	known []string
}

// StoreOf gives the store of a controller, which is to be reached by nothing but its
// way.
type StoreOf func(Way) serve.Store

// Way gives the way of a controller to somewhere, which ends when that is killed.
type Way func(to http.RoundTripper) http.RoundTripper

// InMemory gives a store that any number of controllers have one after the other.
func InMemory() StoreOf {
	s := servetest.NewStore()
	return func(Way) serve.Store { return s }
}

// Life is one controller, until it is killed.
type Life struct {
	*controller.Controller
	clouds []serve.Cloud
	dead   atomic.Bool
	stop   context.CancelFunc
	// Over is closed when the controller has ended.
	Over chan struct{}
}

// Begin starts a controller.
func (h *Home) Begin(t testing.TB) *Life {
	l := &Life{Over: make(chan struct{})}
	if h.known == nil {
		for _, w := range h.Worlds {
			h.known = append(h.known, w.Brief)
		}
	}
	program := Program(t)
	for n, w := range h.Worlds {
		l.clouds = append(l.clouds, w.New(fleet.Options{
			Known: h.known[n], Note: func(where string) error {
				if l.dead.Load() {
					return errDead
				}
				h.known[n] = where
				return nil
			},
			Scope:   func() (string, error) { return "chaos", nil },
			Secret:  func() ([]byte, error) { return []byte(Secret), nil },
			Program: program, Transport: l.way(w.Transport), Connect: w.Stations.Connect,
		}))
	}
	l.Controller = controller.New(controller.Options{
		Service: h.Service, Store: mortal{h.Store(l.way), l}, Clouds: l.clouds, Bundles: noBundles{}, Traffic: noTraffic{},
		Log: slog.New(slog.NewTextHandler(h.Log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	go func() {
		defer close(l.Over)
		_ = l.Run(ctx) // a dead one cannot save, and says so
	}()
	return l
}

// Kill ends the controller in the middle of whatever it does.
func (l *Life) Kill() {
	l.dead.Store(true)
	l.stop()
}

// Stop ends the controller in order.
func (l *Life) Stop() {
	l.stop()
	<-l.Over
}

func (l *Life) way(to http.RoundTripper) http.RoundTripper { return severed{to, l} }

// severed is a way of somebody who can be killed: what was under way then is never
// answered.
type severed struct {
	http.RoundTripper
	life *Life
}

var errDead = errors.New("the process is dead")

// RoundTrip passes on what the living ask and are told.
func (s severed) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.life.dead.Load() {
		return nil, errDead
	}
	resp, err := s.RoundTripper.RoundTrip(r)
	if !s.life.dead.Load() {
		return resp, err
	}
	if resp != nil {
		_ = resp.Body.Close() // nobody reads it
	}
	return nil, errDead
}

// mortal is a store that a dead controller cannot write to any more.
type mortal struct {
	serve.Store
	life *Life
}

// Save saves for the living.
func (m mortal) Save(ctx context.Context, s serve.State, events []serve.Event) (uint64, int64, error) {
	if m.life.dead.Load() {
		return 0, 0, errDead
	}
	return m.Store.Save(ctx, s, events)
}
