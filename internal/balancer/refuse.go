// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
)

// statusClientGone is a status for the log: nobody is there to see it.
const statusClientGone = 499

// fail answers a request that no backend has answered.
func (x *exchange) fail(err error) {
	x.lost(err)
	w, r := x.client, x.request
	status, message := http.StatusBadGateway, "no replica has answered the request"
	var malformed *bodyError
	var large *http.MaxBytesError
	var f *failure
	switch {
	case errors.Is(err, errConnect):
		status, message = http.StatusNotImplemented, "the request cannot be served"
	case errors.Is(err, errNoKey):
		status, message = http.StatusUnauthorized, "the request is not let in"
		w.Header().Set("WWW-Authenticate", "Bearer")
	case errors.Is(err, errTooLarge), errors.As(err, &large):
		status, message = http.StatusRequestEntityTooLarge, "the request is too large"
	case errors.Is(err, errStalled):
		status, message = http.StatusRequestTimeout, "the request was not sent completely"
	case errors.Is(err, errSilent):
		status, message = http.StatusGatewayTimeout, "the replica did not answer in time"
	case r.Context().Err() != nil && !errors.Is(err, errAborted):
		// Only now: cutting a request off may look to the server as if its client
		// had gone.
		status, err = statusClientGone, context.Cause(r.Context())
	case errors.Is(err, errNotReady), errors.Is(err, errTooMany), errors.Is(err, errHeld):
		status, message = http.StatusServiceUnavailable, "no replica is ready"
		w.Header().Set("Retry-After", "5")
	case errors.As(err, &malformed), errors.Is(err, errMalformed):
		status, message = http.StatusBadRequest, "the request could not be read"
	case errors.As(err, &f) && f.sent && !idempotent(r):
		message = "the replica failed after the request was sent, which is not repeated because it may have been processed"
	}
	x.status = status
	x.balancer.log.LogAttrs(r.Context(), slog.LevelDebug, "request failed",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status), slog.Any("error", err))
	if status == statusClientGone {
		w.WriteHeader(status)
		return
	}
	writeError(w, status, message, err.Error())
}

// writeError answers with a small JSON document.
func writeError(w http.ResponseWriter, status int, message, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// If the client does not take the answer there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(struct {
		Error  string `json:"error"`
		Detail string `json:"detail,omitempty"`
	}{message, detail})
}
