// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A producer tells the frames of a stream, until there are no more or send
// reports that nobody listens any longer.
type producer func(ctx context.Context, r *http.Request, send func(frame) bool) error

// stream makes a handler of a producer. An error that comes before the first
// frame is an ordinary answer, a later one the last frame.
func (h *handler) stream(produce producer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := &sender{w: w, control: http.NewResponseController(w)}
		err := h.run(s, r, produce)
		switch {
		case err == nil:
			s.send(frame{End: true})
		case s.begun:
			f, _ := fail(err)
			s.send(frame{Error: &f})
		default:
			h.fail(w, r, err)
		}
		s.done()
	}
}

// run lets the producer tell its frames, with heartbeats between them.
func (h *handler) run(s *sender, r *http.Request, produce producer) error {
	ctx, cancel := context.WithCancel(r.Context())
	var hearts sync.WaitGroup
	defer hearts.Wait()
	defer cancel()
	hearts.Go(func() {
		defer cancel() // nobody listens: the producer, which may be silent, must end too
		s.beat(ctx)
	})
	return produce(ctx, r, s.send)
}

// sender writes the frames of one stream.
type sender struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	broken  bool
}

// send writes a frame, and reports whether the next may be sent.
func (s *sender) send(f frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return false
	}
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/x-ndjson")
		s.w.WriteHeader(http.StatusOK)
	}
	// A writer that knows no deadlines is no connection, and never waits.
	_ = s.control.SetWriteDeadline(time.Now().Add(pause))
	err := json.NewEncoder(s.w).Encode(f)
	if err == nil {
		err = s.control.Flush()
	}
	s.broken = err != nil
	return !s.broken
}

// beat sends heartbeats until ctx ends or nobody listens.
func (s *sender) beat(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !s.send(frame{}) {
				return
			}
		}
	}
}

// done takes the deadline off the connection, which may carry other requests yet.
func (s *sender) done() { _ = s.control.SetWriteDeadline(time.Time{}) }

func (h *handler) watch(ctx context.Context, _ *http.Request, send func(frame) bool) error {
	return h.client.Watch(ctx, func(s serve.Service) bool { return send(frame{Service: public(s)}) })
}

func (h *handler) events(ctx context.Context, r *http.Request, send func(frame) bool) error {
	after, err := queryInt(r, "after")
	if err != nil {
		return err
	}
	follow, err := queryBool(r, "follow")
	if err != nil {
		return err
	}
	return h.client.Events(ctx, after, follow, func(e serve.Event) bool { return send(frame{Event: &e}) })
}

func (h *handler) logs(ctx context.Context, r *http.Request, send func(frame) bool) error {
	replica, err := queryInt(r, "replica")
	if err != nil {
		return err
	}
	tail, err := queryInt(r, "tail")
	if err != nil {
		return err
	}
	follow, err := queryBool(r, "follow")
	if err != nil {
		return err
	}
	log, err := h.client.Logs(ctx, replica, serve.LogOptions{Follow: follow, Tail: int(tail)})
	if err != nil {
		return err
	}
	defer log.Close()
	// Tells at once that there is such a log, though nothing may be in it yet.
	if !send(frame{}) {
		return nil
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := log.Read(buffer)
		if n > 0 && !send(frame{Data: buffer[:n]}) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return ctx.Err() // a log that was given up is not a whole one
		}
		if err != nil {
			return err
		}
	}
}
