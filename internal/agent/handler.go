// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// server gives the server of what the machine can be asked. Whoever gets as far as
// a request is the controller: TLS has seen to that.
func (a *agent) server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathState, a.answerState)
	mux.HandleFunc("GET "+pathWatch, a.answerWatch)
	mux.HandleFunc("GET "+pathLogs, a.answerLogs)
	mux.HandleFunc("PUT "+pathBundles+"{digest}", a.takeBundle)
	mux.HandleFunc("PUT "+pathOrder, a.takeOrder)
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.lease.renew()
			mux.ServeHTTP(w, r)
			a.lease.renew() // it may have taken long
		}),
		TLSConfig:         serverTLS(a.config.controller, a.identity.Load),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){protocolTunnel: a.tunnel},
		ReadHeaderTimeout: patience,
		IdleTimeout:       2 * diskPatience,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

func (a *agent) answerState(w http.ResponseWriter, _ *http.Request) {
	s, _ := a.board.look()
	answer(w, http.StatusOK, s)
}

// answerWatch says the state, and again when it is another one. Between that an
// empty line says that the machine is there.
func (a *agent) answerWatch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	control := http.NewResponseController(w)
	say := func(line []byte) bool {
		// A writer that knows no deadlines is no connection, and never waits.
		_ = control.SetWriteDeadline(time.Now().Add(silence))
		if _, err := w.Write(append(line, '\n')); err != nil {
			return false
		}
		a.lease.renew()
		return control.Flush() == nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		s, changed := a.board.look()
		line, err := json.Marshal(s)
		for heard := err == nil && say(line); ; heard = say(nil) {
			if !heard {
				return
			}
			select {
			case <-beat.C:
				continue
			case <-changed:
			case <-r.Context().Done():
				return
			case <-a.closing.Done():
				return
			}
			break
		}
	}
}

func (a *agent) answerLogs(w http.ResponseWriter, r *http.Request) {
	follow, errFollow := strconv.ParseBool(r.FormValue("follow"))
	tail, errTail := strconv.Atoi(r.FormValue("tail"))
	if err := errors.Join(errFollow, errTail); err != nil {
		refuse(w, fmt.Errorf("reading the request: %w: %w", serve.ErrInvalid, err))
		return
	}
	over := func(ctx context.Context) error {
		select {
		case <-a.closing.Done():
		case <-ctx.Done():
		}
		return nil
	}
	log, err := logfile.Open(r.Context(), a.path(logDir, logFile), serve.LogOptions{Follow: follow, Tail: tail}, over)
	if err != nil {
		refuse(w, err)
		return
	}
	defer log.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// Tells at once that there is such a log, though nothing may be in it yet.
	control := http.NewResponseController(w)
	_ = control.Flush()
	if _, err := io.Copy(flusher{w, control}, log); err != nil {
		// The answer must not look as if it was whole.
		panic(http.ErrAbortHandler)
	}
}

// flusher sends on at once what is written.
type flusher struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}

func (a *agent) takeBundle(w http.ResponseWriter, r *http.Request) {
	digest := r.PathValue("digest")
	has, err := a.bundles.Has(digest)
	if err == nil && !has {
		err = a.bundles.Put(digest, leased{r.Body, a.lease})
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// leased is a long upload, which renews the lease as it goes on.
type leased struct {
	io.Reader
	lease *lease
}

func (l leased) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	l.lease.renew()
	return n, err
}

func (a *agent) takeOrder(w http.ResponseWriter, r *http.Request) {
	var s sealedOrder
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&s); err != nil {
		refuse(w, fmt.Errorf("reading the order: %w: %w", serve.ErrInvalid, err))
		return
	}
	missing, err := a.accept(s)
	switch {
	case err != nil:
		refuse(w, err)
	case len(missing) > 0:
		answer(w, http.StatusFailedDependency, missingBundles{missing})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Whoever has asked is gone if this fails.
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, err error) { http.Error(w, err.Error(), statusOf(err)) }
