// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// pulse is how often copies tell one another what has arrived.
const pulse = time.Second

// How long a connection between copies may be silent before the other side is
// asked for a sign of life, and how long that may take. A copy whose machine is
// gone without a word must not be waited for when replicas are drained.
const (
	silence  = 5 * time.Second
	lifesign = 5 * time.Second
)

// serveCopies answers the followers of this copy while it leads.
func (m *Manager) serveCopies(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+followPath, m.followed)
	server := &http.Server{
		Handler:           mux,
		TLSConfig:         m.o.Server,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(m.o.Log.Handler(), slog.LevelDebug),
		HTTP2:             &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: lifesign},
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.ServeTLS(m.o.Listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the other copies: %w", err)
	}
	return nil
}

// followed has one follower on the line until it leaves or this copy does not
// lead any more.
func (m *Manager) followed(w http.ResponseWriter, r *http.Request) {
	shown := r.Header.Get("Authorization")
	if subtle.ConstantTimeCompare([]byte(shown), []byte("Bearer "+m.o.Token)) != 1 {
		http.Error(w, "the token is not the one of these copies", http.StatusUnauthorized)
		return
	}
	reign := m.reign()
	if reign == nil || r.Header.Get(copyHeader) == m.id {
		http.Error(w, "this copy does not lead", http.StatusServiceUnavailable)
		return
	}
	flow := http.NewResponseController(w)
	f := m.hub.join()
	defer m.hub.leave(f)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for in := json.NewDecoder(r.Body); ; {
			var s sighting
			if in.Decode(&s) != nil {
				return
			}
			m.hub.saw(f, s)
		}
	}()
	out := json.NewEncoder(w)
	send := func(o order) bool { return out.Encode(o) == nil && flow.Flush() == nil }
	for going := send(m.hub.take(f)); going; {
		select {
		case <-f.wake:
			going = send(m.hub.take(f))
		case <-gone:
			going = false
		case <-reign:
			going = false
		case <-r.Context().Done():
			going = false
		}
	}
	// What reads the body ends with the request, which ends when this returns.
}
