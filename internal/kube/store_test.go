// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
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

// open opens the store.
func (p ground) open() serve.Store { return p.store(p.config) }

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
		return newPlace(t).open
	})
}

func TestASaveIsOneRequest(t *testing.T) {
	p := newPlace(t)
	r := &relay{}
	s := p.store(p.relayed(r))
	state := servetest.Save(p, s, serve.State{}, 0)
	r.requests.Store(0)
	for range 100 {
		state = servetest.Save(p, s, state, 3)
	}
	// 300 events have been appended, so that one save has turned a page, which is
	// one request more.
	if got := r.requests.Load(); got != 101 {
		t.Errorf("100 saves took %d requests, want 101", got)
	}
}

func TestOldPagesAreDeleted(t *testing.T) {
	p := newPlace(t)
	servetest.TestManyEvents(t, p.store(p.config))
	list, err := p.typed.CoreV1().Secrets(p.config.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: labelService + "=web"})
	if err != nil {
		t.Fatal(err)
	}
	// A page has 300 events, so that four of them and the state are enough, and a
	// page more when the oldest of the thousand is on it.
	if len(list.Items) > 6 {
		t.Errorf("there are %d Secrets", len(list.Items))
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
			servetest.TestSavesInTrouble(t, p.store(p.relayed(through(&lose))), func() {
				if lose.Swap(true) {
					t.Fatal("nothing was lost")
				}
			})
			if lose.Load() {
				t.Error("nothing was lost")
			}
		})
	}
}

func TestASaveOfUnknownOutcomeIsSavedAnew(t *testing.T) {
	p := newPlace(t)
	var off atomic.Bool
	s := p.store(p.relayed(&relay{after: func(*http.Request) bool { return off.Load() }}))
	s.Patience = 0
	servetest.TestLostSaves(t, s, off.Store, p.open)
}

func TestARemovedServiceIsAConflict(t *testing.T) {
	p := newPlace(t)
	servetest.TestRemovedState(t, p.open, func() {
		if err := p.typed.CoreV1().Secrets(p.config.Namespace).Delete(t.Context(), "web.state", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTooMuchIsSaidBeforeItIsSent(t *testing.T) {
	p := newPlace(t)
	r := &relay{}
	s := p.store(p.relayed(r))
	state := servetest.Save(p, s, serve.State{}, 0)
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
	servetest.Save(p, s, state, 0)
}

func TestALoserWritesTheSamePage(t *testing.T) {
	p := newPlace(t)
	s := p.store(p.relayed(&relay{before: func(req *http.Request) bool { return req.Method == http.MethodPut }}))
	s.Patience = 0
	servetest.TestPageOfALoser(t, s, serve.ErrUnreachable, p.open)
}
