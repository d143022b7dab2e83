// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func (p ground) store(config Config) *record.Store {
	p.Helper()
	s, err := NewStore(StoreOptions{Config: config, Service: "web"})
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// save saves and expects it to succeed.
func (p ground) save(s *record.Store, state serve.State, events int) serve.State {
	p.Helper()
	version, _, err := s.Save(p.Context(), state, make([]serve.Event, events))
	if err != nil {
		p.Fatalf("Save of version %d: %v", state.Version, err)
	}
	state.Version = version
	return state
}

// relay stands between a store and the API server. Before and after see each
// request, and break the connection where they return true.
type relay struct {
	requests      atomic.Int64
	before, after func(*http.Request) bool
}

// relayed gives a way to the API server through a relay.
func (p ground) relayed(r *relay) Config {
	p.Helper()
	settings, _, err := p.config.rest()
	if err != nil {
		p.Fatal(err)
	}
	transport, err := rest.TransportFor(settings)
	if err != nil {
		p.Fatal(err)
	}
	target, err := url.Parse(settings.Host)
	if err != nil {
		p.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.requests.Add(1)
		if r.before != nil && r.before(req) {
			panic(http.ErrAbortHandler)
		}
		if req.URL.Query().Has("watch") {
			proxy.ServeHTTP(w, req)
			return
		}
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, req)
		if r.after != nil && r.after(req) {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	}))
	p.Cleanup(server.Close)
	return Config{Host: server.URL, Namespace: p.config.Namespace}
}

func TestStore(t *testing.T) {
	servetest.TestStore(t, func(t *testing.T) func() serve.Store {
		p := newPlace(t)
		return func() serve.Store { return p.store(p.config) }
	})
}

func TestASaveIsOneRequest(t *testing.T) {
	p := newPlace(t)
	r := &relay{}
	s := p.store(p.relayed(r))
	state := p.save(s, serve.State{}, 0)
	r.requests.Store(0)
	for range 100 {
		state = p.save(s, state, 3)
	}
	// 300 events have been appended, so that one save has turned a page, which is
	// one request more.
	if got := r.requests.Load(); got != 101 {
		t.Errorf("100 saves took %d requests, want 101", got)
	}
}

func TestOldPagesAreDeleted(t *testing.T) {
	p := newPlace(t)
	s := p.store(p.config)
	var state serve.State
	for range 60 {
		state = p.save(s, state, 100)
	}
	list, err := p.typed.CoreV1().Secrets(p.config.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: labelService + "=web"})
	if err != nil {
		t.Fatal(err)
	}
	// A page has 300 events, so that four of them and the state are enough, and a
	// page more when the oldest of the thousand is on it.
	if len(list.Items) > 6 {
		t.Errorf("there are %d Secrets", len(list.Items))
	}
	events, err := s.Events(t.Context(), 0, 10_000)
	if err != nil || len(events) < 1000 || len(events) > 2000 || events[len(events)-1].Seq != 6000 {
		t.Errorf("%d events are left (%v)", len(events), err)
	}
	for i, e := range events {
		if e.Seq != events[0].Seq+int64(i) {
			t.Fatalf("event %d comes after event %d", e.Seq, events[i-1].Seq)
		}
	}
}

func TestALostAnswerIsNoConflict(t *testing.T) {
	isWrite := func(req *http.Request) bool { return req.Method == http.MethodPut || req.Method == http.MethodPost }
	for name, through := range map[string]func(lose *atomic.Bool) *relay{
		"done, and the answer lost": func(lose *atomic.Bool) *relay {
			return &relay{after: func(req *http.Request) bool { return isWrite(req) && lose.CompareAndSwap(true, false) }}
		},
		"lost before it was done": func(lose *atomic.Bool) *relay {
			return &relay{before: func(req *http.Request) bool { return isWrite(req) && lose.CompareAndSwap(true, false) }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			var lose atomic.Bool
			s := p.store(p.relayed(through(&lose)))
			var state serve.State
			for i := range 3 {
				lose.Store(true)
				state.Name = fmt.Sprint("save-", i)
				state = p.save(s, state, 1)
				if lose.Load() {
					t.Fatal("nothing was lost")
				}
			}
			there, err := s.Load(t.Context())
			if err != nil || there.Version != 3 || there.Name != "save-2" {
				t.Errorf("version %d of %q is stored: %v", there.Version, there.Name, err)
			}
			if events, err := s.Events(t.Context(), 0, 10); len(events) != 3 {
				t.Errorf("there are %d events: %v", len(events), err)
			}
		})
	}
}

func TestASaveOfUnknownOutcomeIsSavedAnew(t *testing.T) {
	p := newPlace(t)
	var cut atomic.Bool
	// The save is done, and then nothing goes through.
	r := &relay{after: func(*http.Request) bool { return cut.Load() }}
	s := p.store(p.relayed(r))
	state := p.save(s, serve.State{}, 1)
	cut.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.Patience = 0
	state.Name = "lost"
	if _, _, err := s.Save(ctx, state, make([]serve.Event, 2)); !errors.Is(err, serve.ErrUnreachable) {
		t.Fatalf("Save: %v, want ErrUnreachable", err)
	}
	cut.Store(false)
	state.Name = "anew"
	state = p.save(s, state, 3)
	there, err := s.Load(t.Context())
	if err != nil || there.Version != 2 || there.Name != "anew" {
		t.Errorf("version %d of %q is stored: %v", there.Version, there.Name, err)
	}
	if events, err := s.Events(t.Context(), 0, 10); len(events) != 4 {
		t.Errorf("there are %d events: %v", len(events), err)
	}
	// Someone else's save in between is a conflict all the same.
	cut.Store(true)
	if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrUnreachable) {
		t.Fatalf("Save: %v, want ErrUnreachable", err)
	}
	cut.Store(false)
	other := p.store(p.config)
	theirs, err := other.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.save(other, theirs, 0)
	if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Save: %v, want ErrConflict", err)
	}
}

func TestARemovedServiceIsAConflict(t *testing.T) {
	p := newPlace(t)
	s := p.store(p.config)
	state := p.save(s, serve.State{}, 0)
	if err := p.typed.CoreV1().Secrets(p.config.Namespace).Delete(t.Context(), "web.state", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*record.Store{s, p.store(p.config)} {
		if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrConflict) {
			t.Errorf("Save: %v, want ErrConflict", err)
		}
	}
	// Not even one of the same version is saved over.
	p.save(p.store(p.config), serve.State{}, 0)
	if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("Save over the state of the next service: %v, want ErrConflict", err)
	}
}

func TestTooMuchIsSaidBeforeItIsSent(t *testing.T) {
	p := newPlace(t)
	r := &relay{}
	s := p.store(p.relayed(r))
	state := p.save(s, serve.State{}, 0)
	r.requests.Store(0)
	noise := make([]byte, 1<<20)
	rand.Read(noise)
	large := state
	large.Spec.Run = fmt.Sprintf("%x", noise)
	_, _, err := s.Save(t.Context(), large, nil)
	if !errors.Is(err, serve.ErrInvalid) || !strings.Contains(err.Error(), "a Secret of Kubernetes holds at most") {
		t.Errorf("Save: %v", err)
	}
	if got := r.requests.Load(); got != 0 {
		t.Errorf("%d requests were made", got)
	}
	p.save(s, state, 0)
}

func TestALoserWritesTheSamePage(t *testing.T) {
	p := newPlace(t)
	state := p.save(p.store(p.config), serve.State{}, 300)
	// One turns the page and is cut off before its save.
	s := p.store(p.relayed(&relay{before: func(req *http.Request) bool { return req.Method == http.MethodPut }}))
	s.Patience = 0
	if _, _, err := s.Save(t.Context(), state, nil); !errors.Is(err, serve.ErrUnreachable) {
		t.Fatalf("Save: %v, want ErrUnreachable", err)
	}
	other := p.store(p.config)
	p.save(other, state, 1)
	events, err := other.Events(t.Context(), 0, 1000)
	if err != nil || len(events) != 301 {
		t.Errorf("there are %d events: %v", len(events), err)
	}
}
