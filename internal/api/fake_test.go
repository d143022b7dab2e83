// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// fake is a serve.Client that writes down what it was asked, and answers what
// the test has put there. With err set everything ends in it.
type fake struct {
	err     error
	service serve.Service
	watched []serve.Service
	told    []serve.Event
	log     string
	bundles map[string]string
	ended   chan struct{} // closed when a Watch has ended

	mu    sync.Mutex
	calls []string
	spec  serve.Spec
}

func (f *fake) called(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

// wants expects that the fake was asked just this since it was last looked at.
func (f *fake) wants(t *testing.T, calls ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.calls, calls) {
		t.Errorf("the controller was asked %q, want %q", f.calls, calls)
	}
	f.calls = nil
}

func (f *fake) Apply(_ context.Context, spec serve.Spec, opt serve.ApplyOptions) (serve.Service, error) {
	f.called("apply keep=%v new=%v", opt.KeepSecrets, opt.MustBeNew)
	f.spec = spec
	return f.service, f.err
}

func (f *fake) Service(context.Context) (serve.Service, error) {
	f.called("service")
	return f.service, f.err
}

func (f *fake) Watch(ctx context.Context, tell func(serve.Service) bool) error {
	f.called("watch")
	if f.ended != nil {
		defer close(f.ended)
	}
	for _, s := range f.watched {
		if !tell(s) {
			return nil
		}
	}
	if f.err != nil {
		return f.err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) Delete(context.Context) error {
	f.called("delete")
	return f.err
}

func (f *fake) TerminateReplica(_ context.Context, id int64, purge bool) error {
	f.called("terminate %d purge=%v", id, purge)
	return f.err
}

func (f *fake) HasBundle(_ context.Context, digest string) (bool, error) {
	f.called("has bundle %s", digest)
	_, ok := f.bundles[digest]
	return ok, f.err
}

func (f *fake) PutBundle(_ context.Context, digest string, content io.Reader) error {
	f.called("put bundle %s", digest)
	if f.err != nil {
		return f.err
	}
	data, err := io.ReadAll(content)
	f.bundles[digest] = string(data)
	return err
}

func (f *fake) Events(ctx context.Context, after int64, follow bool, tell func(serve.Event) bool) error {
	f.called("events after=%d follow=%v", after, follow)
	for _, e := range f.told {
		if !tell(e) {
			return nil
		}
	}
	if follow && f.err == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.err
}

// Logs gives the log; an error comes where the log ends, or at once if there is none.
func (f *fake) Logs(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	f.called("logs %d follow=%v tail=%d", replica, opt.Follow, opt.Tail)
	if f.err != nil && f.log == "" {
		return nil, f.err
	}
	end := io.EOF
	if f.err != nil {
		end = f.err
	}
	return io.NopCloser(io.MultiReader(strings.NewReader(f.log), readFunc(func([]byte) (int, error) {
		if opt.Follow && f.err == nil {
			<-ctx.Done()
		}
		return 0, end
	}))), nil
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// controller is the handler of a fake behind TLS, as a controller runs it.
type controller struct {
	*httptest.Server
	access serve.Access
	log    *bytes.Buffer // to be read when the server is closed
}

func start(t *testing.T, f *fake) controller {
	t.Helper()
	credentials, err := api.NewCredentials("http")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	handler := api.NewHandler(f, credentials.Token, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if server.TLS, err = api.ServerTLS(credentials); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return controller{
		Server: server,
		access: serve.Access{URL: server.URL, Token: credentials.Token, Certificate: credentials.Certificate},
		log:    &out,
	}
}

func connect(t *testing.T, a serve.Access) *api.Client {
	t.Helper()
	c, err := api.Connect(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
