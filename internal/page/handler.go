// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package page

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

//go:embed page.html page.css page.js
var files embed.FS

// A Finder gives a client for the service. It is asked for every request, as a
// controller that was started again may be elsewhere.
type Finder func(ctx context.Context) (serve.Client, error)

// New makes the page of one service.
func New(service string, find Finder) http.Handler {
	h := &handler{service: service, find: find, page: template.Must(template.New("page.html").Funcs(words()).ParseFS(files, "page.html"))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.whole)
	mux.HandleFunc("GET /live", h.live)
	mux.HandleFunc("GET /data", h.data)
	mux.Handle("GET /page.css", http.FileServerFS(files))
	mux.Handle("GET /page.js", http.FileServerFS(files))
	return guard(mux)
}

type handler struct {
	service string
	find    Finder
	page    *template.Template
}

// guard refuses what is not a GET, and has a browser run and load nothing but
// what is served here, for nobody else's pages.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
				"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
		} {
			w.Header().Set(name, value)
		}
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// whole answers with the page.
func (h *handler) whole(w http.ResponseWriter, r *http.Request) {
	v, err := h.look(r.Context())
	var html bytes.Buffer
	if err := h.page.Execute(&html, v); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(statusOf(err))
	_, _ = html.WriteTo(w) // a reader that has gone is nobody left to tell
}

// data answers with the figures.
func (h *handler) data(w http.ResponseWriter, r *http.Request) {
	v, err := h.look(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(err))
	_ = json.NewEncoder(w).Encode(v)
}

// look describes the service as it is now, or says that it cannot be seen.
func (h *handler) look(ctx context.Context) (view, error) {
	client, err := h.find(ctx)
	if err != nil {
		return unseen(h.service, err), err
	}
	s, err := client.Service(ctx)
	if err != nil {
		return unseen(h.service, err), err
	}
	var past history
	if err := past.read(ctx, client); err != nil {
		return unseen(h.service, err), err
	}
	return describe(s, past.events, time.Now()), nil
}

func statusOf(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, serve.ErrNotFound):
		return http.StatusNotFound
	default:
		return http.StatusBadGateway
	}
}

// shownEvents is how many events are shown.
const shownEvents = 40

// history is the last events of a service.
type history struct {
	events []serve.Event
	seen   int64
}

// read takes in the events since it was last called.
func (h *history) read(ctx context.Context, client serve.Client) error {
	return client.Events(ctx, h.seen, false, func(e serve.Event) bool {
		h.events, h.seen = append(h.events, e), e.Seq
		h.events = h.events[max(0, len(h.events)-shownEvents):]
		return true
	})
}
