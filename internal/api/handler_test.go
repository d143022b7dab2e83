// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func nopLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// ask makes a request as something other than our client would.
func ask(f *fake, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer token")
	w := httptest.NewRecorder()
	api.NewHandler(f, "token", nopLogger()).ServeHTTP(w, r)
	return w
}

func TestRequests(t *testing.T) {
	tests := map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"a spec with a field of a newer release is refused": {"PUT", "/v1/service", `{"spec":{"name":"a","blue_green":true}}`, 422, "blue_green"},
		"so is one with a field anywhere inside":            {"PUT", "/v1/service", `{"spec":{"readiness_probe":{"grpc":1}}}`, 422, "grpc"},
		"so is an option of a newer release":                {"PUT", "/v1/service", `{"spec":{},"dry_run":true}`, 422, "dry_run"},
		"what is no JSON is refused":                        {"PUT", "/v1/service", `name: a`, 422, "invalid"},
		"a spec without end is refused":                     {"PUT", "/v1/service", `{"spec":{"run":"` + strings.Repeat("x", 9<<20), 413, "too large"},
		"a held bundle is there for HEAD as for GET":        {"HEAD", "/v1/bundles/sha256:00", "", 200, ""},
		"one that is not held is not":                       {"HEAD", "/v1/bundles/sha256:01", "", 404, ""},
		"a replica's id is a number":                        {"POST", "/v1/replicas/one/terminate", "", 422, `\"one\"`},
		"purge is true or false":                            {"POST", "/v1/replicas/1/terminate?purge=maybe", "", 422, "maybe"},
		"after is a number":                                 {"GET", "/v1/events?after=x", "", 422, "after"},
		"follow is true or false":                           {"GET", "/v1/events?follow=x", "", 422, "follow"},
		"tail is a number":                                  {"GET", "/v1/logs?tail=x", "", 422, "tail"},
		"everything of a log is left to choose":             {"GET", "/v1/logs", "", 200, `{"data":"bGluZQo="}`},
		"a stream says that it is whole":                    {"GET", "/v1/events", "", 200, `{"end":true}`},
		"a method that is not offered":                      {"PATCH", "/v1/service", "", 405, ""},
		"a path that is not offered":                        {"GET", "/v2/service", "", 404, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fake{bundles: map[string]string{"sha256:00": "content"}, log: "line\n"}
			w := ask(f, tt.method, tt.path, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s, want %d that says %q", w.Code, w.Body, tt.status, tt.says)
			}
			if tt.status >= 400 && tt.method != "HEAD" {
				f.wants(t)
			}
		})
	}
}

func TestFieldsAnOlderClientDoesNotSendHaveTheirDefaults(t *testing.T) {
	f := &fake{}
	w := ask(f, http.MethodPut, "/v1/service", `{"spec":{"name":"a","readiness_probe":{"path":"/health"}}}`)
	want := serve.NewSpec("a")
	want.ReadinessProbe.Path = "/health"
	if diff := cmp.Diff(want, f.spec); w.Code != http.StatusOK || diff != "" {
		t.Errorf("%d %s %s", w.Code, w.Body, diff)
	}
}

func TestABundleThatIsTooLargeIsInvalid(t *testing.T) {
	// What reading the body gives in the end, without the 17 GiB before it.
	w := ask(&fake{err: fmt.Errorf("keeping it: %w", &http.MaxBytesError{Limit: 17 << 30})}, "PUT", "/v1/bundles/sha256:00", "")
	if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"kind":"invalid"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// foreign is a server with a controller's certificate that answers as it likes.
func foreign(t *testing.T, answer http.HandlerFunc) *api.Client {
	t.Helper()
	server := start(t, &fake{})
	server.Config.Handler = answer
	return connect(t, server.access)
}

func TestAnswersOfANewerControllerAreUnderstood(t *testing.T) {
	c := foreign(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/watch") {
			fmt.Fprint(w, `{"weather":"fine"}`+"\n"+`{"service":{"name":"a","mood":"good"}}`+"\n"+`{"end":true}`)
			return
		}
		fmt.Fprint(w, `{"name":"a","mood":"good","spec":{"blue_green":true}}`)
	})
	if s, err := c.Service(t.Context()); err != nil || s.Name != "a" {
		t.Errorf("Service: %v %v", s.Name, err)
	}
	var names []string
	err := c.Watch(t.Context(), func(s serve.Service) bool { names = append(names, s.Name); return true })
	if diff := cmp.Diff([]string{"a"}, names); err != nil || diff != "" {
		t.Errorf("Watch: %v %s", err, diff)
	}
}

func TestANotFoundOfSomeoneElseIsNone(t *testing.T) {
	for _, body := range []string{"404 page not found", "{}", ""} {
		c := foreign(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, body)
		})
		for name, call := range methods(t.Context(), c) {
			if err := call(); err == nil || errors.Is(err, serve.ErrNotFound) || !strings.Contains(err.Error(), "404") {
				t.Errorf("%s: %v, want an error that says nothing about the service", name, err)
			}
		}
	}
}

func TestAStreamThatBreaksOffIsUnreachable(t *testing.T) {
	ways := map[string]http.HandlerFunc{
		"after a frame":            func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}\n") },
		"before the first":         func(http.ResponseWriter, *http.Request) {},
		"within a frame":           func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"da`) },
		"with its connection":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}\n"); panic(http.ErrAbortHandler) },
		"with it before an answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			calls := methods(t.Context(), foreign(t, way))
			for _, method := range []string{"Watch", "Events", "Logs"} {
				if err := calls[method](); !errors.Is(err, serve.ErrUnreachable) {
					t.Errorf("%s: %v, want ErrUnreachable", method, err)
				}
			}
		})
	}
}

func TestAnAnswerThatIsNoneIsAnError(t *testing.T) {
	c := foreign(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("?", 100)) })
	for _, name := range []string{"Apply", "Service", "Watch", "Events", "Logs"} {
		if err := methods(t.Context(), c)[name](); err == nil || errors.Is(err, serve.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
