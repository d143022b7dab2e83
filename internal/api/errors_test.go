// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func meanings() []error {
	return []error{
		serve.ErrNotFound, serve.ErrConflict, serve.ErrUnauthorized, serve.ErrUnreachable,
		serve.ErrCapacity, serve.ErrQuota, serve.ErrInvalid,
	}
}

// methods are all methods of a client, for what is the same with each.
func methods(ctx context.Context, c serve.Client) map[string]func() error {
	return map[string]func() error{
		"Apply":            func() error { _, err := c.Apply(ctx, exampleSpec(), serve.ApplyOptions{}); return err },
		"Service":          func() error { _, err := c.Service(ctx); return err },
		"Watch":            func() error { return c.Watch(ctx, func(serve.Service) bool { return true }) },
		"Delete":           func() error { return c.Delete(ctx) },
		"TerminateReplica": func() error { return c.TerminateReplica(ctx, 1, false) },
		"HasBundle":        func() error { _, err := c.HasBundle(ctx, "sha256:00"); return err },
		"PutBundle":        func() error { return c.PutBundle(ctx, "sha256:00", strings.NewReader("content")) },
		"Events":           func() error { return c.Events(ctx, 0, true, func(serve.Event) bool { return true }) },
		"Logs": func() error {
			r, err := c.Logs(ctx, 1, serve.LogOptions{Follow: true})
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.ReadAll(r)
			return err
		},
	}
}

func TestErrorsKeepTheirMeaning(t *testing.T) {
	f := &fake{}
	c := connect(t, start(t, f).access)
	for _, meaning := range meanings() {
		for name, call := range methods(t.Context(), c) {
			f.err = fmt.Errorf("doing it to \"this\": %w: because", meaning)
			if name == "HasBundle" && errors.Is(meaning, serve.ErrNotFound) {
				continue // which is its answer and no error
			}
			err := call()
			if err == nil || err.Error() != f.err.Error() {
				t.Errorf("%s: %v, want %v", name, err, f.err)
			}
			for _, m := range meanings() {
				if got, want := errors.Is(err, m), errors.Is(meaning, m); got != want {
					t.Errorf("%s: errors.Is(%q, %q) is %v", name, err, m, got)
				}
			}
		}
	}
}

func TestErrorsInMidStreamKeepTheirMeaning(t *testing.T) {
	f := &fake{
		err:     fmt.Errorf("the service is gone: %w", serve.ErrNotFound),
		watched: []serve.Service{{}}, told: []serve.Event{{}}, log: "a line\n",
	}
	c := connect(t, start(t, f).access)
	calls := methods(t.Context(), c)
	for _, name := range []string{"Watch", "Events", "Logs"} {
		if err := calls[name](); !errors.Is(err, serve.ErrNotFound) || err.Error() != f.err.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFieldErrorsCrossTheWire(t *testing.T) {
	fields := serve.FieldErrors{
		{Path: "replica_policy.max_replicas", Related: []string{"replica_policy.min_replicas"}, Message: "It is below the minimum."},
		{Path: "run", Message: "It is empty."},
	}
	f := &fake{err: fmt.Errorf("applying the spec: %w", fields)}
	_, err := connect(t, start(t, f).access).Apply(t.Context(), exampleSpec(), serve.ApplyOptions{})
	var got serve.FieldErrors
	if !errors.As(err, &got) || !errors.Is(err, serve.ErrInvalid) {
		t.Fatalf("got %v, want field errors that are invalid", err)
	}
	if diff := cmp.Diff(fields, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsWithoutAMeaningGetNone(t *testing.T) {
	f := &fake{err: errors.New("the disk is full")}
	for name, call := range methods(t.Context(), connect(t, start(t, f).access)) {
		err := call()
		if err == nil || err.Error() != "the disk is full" {
			t.Errorf("%s: %v", name, err)
		}
		for _, m := range meanings() {
			if errors.Is(err, m) {
				t.Errorf("%s: %v is %v", name, err, m)
			}
		}
	}
}

func TestAStoppingControllerIsUnreachable(t *testing.T) {
	f := &fake{err: fmt.Errorf("saving state: %w", context.Canceled)}
	for name, call := range methods(t.Context(), connect(t, start(t, f).access)) {
		if err := call(); !errors.Is(err, serve.ErrUnreachable) || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want it unreachable and not given up by the caller", name, err)
		}
	}
}

func TestOnlyTheTokenOpens(t *testing.T) {
	f := &fake{}
	server := start(t, f)
	for _, token := range []string{"", "wrong", server.access.Token + "x", server.access.Token[1:], "Bearer " + server.access.Token} {
		access := server.access
		access.Token = token
		for name, call := range methods(t.Context(), connect(t, access)) {
			if err := call(); !errors.Is(err, serve.ErrUnauthorized) {
				t.Errorf("%s with token %q: %v, want ErrUnauthorized", name, token, err)
			}
		}
	}
	f.wants(t)
}

func TestAnEmptyTokenOpensNothing(t *testing.T) {
	f := &fake{}
	handler := api.NewHandler(f, "", nopLogger())
	for _, authorization := range []string{"", "Bearer ", "Bearer"} {
		r := httptest.NewRequest(http.MethodGet, "/v1/service", nil)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%q gave %d", authorization, w.Code)
		}
	}
	f.wants(t)
}

func TestWhoCannotBeReachedIsUnreachable(t *testing.T) {
	f := &fake{}
	server := start(t, f)
	other, plain := start(t, f), httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	// A port that was free a moment ago, and that nobody listens on.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	stale := server.access
	stale.Certificate = other.access.Certificate
	for name, access := range map[string]serve.Access{
		"another controller in its place": stale,
		"nobody":                          {URL: "https://" + l.Addr().String(), Certificate: stale.Certificate},
		"someone who speaks no TLS":       {URL: strings.Replace(plain.URL, "http:", "https:", 1), Certificate: stale.Certificate},
	} {
		t.Run(name, func(t *testing.T) {
			for method, call := range methods(t.Context(), connect(t, access)) {
				if err := call(); !errors.Is(err, serve.ErrUnreachable) {
					t.Errorf("%s: %v, want ErrUnreachable", method, err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for method, call := range methods(ctx, connect(t, access)) {
				if err := call(); !errors.Is(err, context.Canceled) || errors.Is(err, serve.ErrUnreachable) {
					t.Errorf("%s with an ended context: %v, want context.Canceled alone", method, err)
				}
			}
		})
	}
	f.wants(t)
}

func TestConnectRefuses(t *testing.T) {
	good := start(t, &fake{}).access
	for name, access := range map[string]serve.Access{
		"no URL":             {Certificate: good.Certificate},
		"a URL without TLS":  {URL: "http://127.0.0.1:1", Certificate: good.Certificate},
		"a URL without host": {URL: "https://", Certificate: good.Certificate},
		"no certificate":     {URL: good.URL},
		"no PEM":             {URL: good.URL, Certificate: "certificate"},
	} {
		if _, err := api.Connect(access); !errors.Is(err, serve.ErrInvalid) {
			t.Errorf("%s: %v, want it invalid", name, err)
		}
	}
}
