// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// failure is how an error travels.
type failure struct {
	Message string            `json:"error"`
	Kind    string            `json:"kind,omitempty"`
	Fields  serve.FieldErrors `json:"fields,omitempty"`
}

// kind is a meaning of package serve and how it is written on the wire.
type kind struct {
	name    string
	meaning error
	status  int
}

func kinds() []kind {
	return []kind{
		{"invalid", serve.ErrInvalid, http.StatusUnprocessableEntity},
		{"unauthorized", serve.ErrUnauthorized, http.StatusUnauthorized},
		{"not_found", serve.ErrNotFound, http.StatusNotFound},
		{"conflict", serve.ErrConflict, http.StatusConflict},
		{"unreachable", serve.ErrUnreachable, http.StatusServiceUnavailable},
		{"no_capacity", serve.ErrCapacity, http.StatusServiceUnavailable},
		{"quota", serve.ErrQuota, http.StatusTooManyRequests},
	}
}

// fail gives the wire form of an error. An error without a meaning has no kind
// and is an internal one.
func fail(err error) (failure, int) {
	f := failure{Message: err.Error()}
	if fields, ok := errors.AsType[serve.FieldErrors](err); ok {
		f.Fields = fields
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		f.Kind = "invalid"
		return f, http.StatusRequestEntityTooLarge
	}
	for _, k := range kinds() {
		if errors.Is(err, k.meaning) {
			f.Kind = k.name
			return f, k.status
		}
	}
	// The request was given up on this side: the controller is stopping. Whoever
	// asked did not give up, and must not be told so.
	if errors.Is(err, context.Canceled) {
		f.Kind = "unreachable"
		return f, http.StatusServiceUnavailable
	}
	return f, http.StatusInternalServerError
}

// err gives the error a failure stands for.
func (f failure) err() error {
	e := &remoteError{message: f.Message}
	for _, k := range kinds() {
		if k.name == f.Kind {
			e.meaning = k.meaning
		}
	}
	if len(f.Fields) > 0 {
		e.meaning = f.Fields
	}
	return e
}

// remoteError is an error of the other end. Its text is the one it had there,
// which names its meaning already.
type remoteError struct {
	message string
	meaning error
}

func (e *remoteError) Error() string { return e.message }

func (e *remoteError) Unwrap() error { return e.meaning }

// readFailure gives the error that an answer other than 2xx stands for. Only
// what a handler of this package has written can have a meaning: a 404 of
// something that does not know the request says nothing about the service.
func readFailure(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxFailure))
	if err != nil {
		return err
	}
	var f failure
	if json.Unmarshal(body, &f) == nil && f.Message != "" {
		return f.err()
	}
	return fmt.Errorf("the controller answered %s: %s", res.Status, strings.TrimSpace(string(body)))
}
