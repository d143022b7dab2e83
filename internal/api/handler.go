// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// NewHandler offers a client's methods over HTTP to whoever has the token. It
// is to be served with [ServerTLS]. When the token is empty nobody has it.
func NewHandler(c serve.Client, token string, log *slog.Logger) http.Handler {
	h := &handler{client: c, token: sha256.Sum256([]byte(token)), open: token != "", log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/service", h.answer(h.apply))
	mux.HandleFunc("GET /v1/service", h.answer(h.service))
	mux.HandleFunc("DELETE /v1/service", h.answer(h.delete))
	mux.HandleFunc("POST /v1/replicas/{id}/terminate", h.answer(h.terminate))
	mux.HandleFunc("GET /v1/bundles/{digest}", h.answer(h.hasBundle))
	mux.HandleFunc("PUT /v1/bundles/{digest}", h.answer(h.putBundle))
	mux.HandleFunc("GET /v1/service/watch", h.stream(h.watch))
	mux.HandleFunc("GET /v1/events", h.stream(h.events))
	mux.HandleFunc("GET /v1/logs", h.stream(h.logs))
	return h.guard(mux)
}

type handler struct {
	client serve.Client
	// token is the hash of the token: hashes are of one length, so that comparing
	// them tells nothing, not even that.
	token [sha256.Size]byte
	open  bool
	log   *slog.Logger
}

// guard lets only requests with the token through, and writes down all of them.
func (h *handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		seen := &statusWriter{ResponseWriter: w}
		if h.authorized(r) {
			next.ServeHTTP(seen, r)
		} else {
			w.Header().Set("WWW-Authenticate", "Bearer")
			h.fail(seen, r, fmt.Errorf("%w: the request does not carry the controller's token", serve.ErrUnauthorized))
		}
		h.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", seen.status, "took", time.Since(begin))
	})
}

func (h *handler) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1 && ok && h.open
}

// answer makes a handler of a function that gives the answer as a value, which
// is sent as JSON.
func (h *handler) answer(f func(w http.ResponseWriter, r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(w, r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

// fail answers with an error. Only errors without a meaning are written down:
// the others are the business of whoever asked.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	f, status := fail(err)
	if status == http.StatusInternalServerError {
		h.log.Warn("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeJSON(w, status, f)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error means that the peer has gone, which has nobody left to tell.
	_ = json.NewEncoder(w).Encode(v)
}

func (h *handler) apply(w http.ResponseWriter, r *http.Request) (any, error) {
	request := applyRequest{Spec: serve.NewSpec("")}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSpec))
	in.DisallowUnknownFields()
	if err := in.Decode(&request); err != nil {
		return nil, fmt.Errorf("reading the spec (a field that this controller does not know is one of a newer release): %w: %w",
			serve.ErrInvalid, err)
	}
	s, err := h.client.Apply(r.Context(), request.Spec, request.ApplyOptions)
	return public(s), err
}

func (h *handler) service(_ http.ResponseWriter, r *http.Request) (any, error) {
	s, err := h.client.Service(r.Context())
	return public(s), err
}

// public takes out what a service has no business holding in the first place.
func public(s serve.Service) *serve.Service {
	s.Spec = s.Spec.Redacted()
	return &s
}

func (h *handler) delete(_ http.ResponseWriter, r *http.Request) (any, error) {
	return struct{}{}, h.client.Delete(r.Context())
}

func (h *handler) terminate(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: the replica's id %q is not a number", serve.ErrInvalid, r.PathValue("id"))
	}
	purge, err := queryBool(r, "purge")
	if err != nil {
		return nil, err
	}
	return struct{}{}, h.client.TerminateReplica(r.Context(), id, purge)
}

func (h *handler) hasBundle(_ http.ResponseWriter, r *http.Request) (any, error) {
	digest := r.PathValue("digest")
	has, err := h.client.HasBundle(r.Context(), digest)
	if err == nil && !has {
		err = fmt.Errorf("finding bundle %q: %w", digest, serve.ErrNotFound)
	}
	return struct{}{}, err
}

func (h *handler) putBundle(w http.ResponseWriter, r *http.Request) (any, error) {
	content := http.MaxBytesReader(w, r.Body, maxBundle)
	return struct{}{}, h.client.PutBundle(r.Context(), r.PathValue("digest"), content)
}

func queryBool(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%w: %s=%q is neither true nor false", serve.ErrInvalid, name, text)
	}
	return v, nil
}

func queryInt(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s=%q is not a whole number", serve.ErrInvalid, name, text)
	}
	return v, nil
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
