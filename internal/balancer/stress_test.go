// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fates are the things that can happen to a request at a replica.
func fates() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/answer": func(w http.ResponseWriter, r *http.Request) {
			pass(w, r.Body)
			say(w, "ok")
		},
		"/error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"/early": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) },
		"/die": func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				reset(conn)
			}
		},
		"/break": func(w http.ResponseWriter, _ *http.Request) {
			send(w, "half of it")
			panic(http.ErrAbortHandler)
		},
		"/hang": silent,
		"/stream": func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			if r.Method == http.MethodHead {
				return // such a response has ended before it began
			}
			for r.Context().Err() == nil {
				send(w, "chunk")
				<-tick.C
			}
		},
		"/tunnel": func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			say(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			pass(conn, buffered)
		},
	}
}

// L13. Whatever happens to requests while backends come, go and are aborted,
// nothing stays in flight and no connection stays open.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	fates := fates()
	names := slices.Sorted(maps.Keys(fates))
	var backends []Backend
	for id := range int64(4) {
		r := startReplica(t, id, "", func(w http.ResponseWriter, q *http.Request) { fates[q.URL.Path](w, q) })
		backends = append(backends, r.Backend)
	}
	backends = append(backends, refusing(t, 4))
	b := New(Options{MaxHeld: 4})
	var arrived atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		b.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)

	everyone := map[*backend]bool{} // that ever was in the set
	ctx, stop := context.WithCancel(t.Context())
	var churn sync.WaitGroup
	churn.Go(func() {
		random := rand.New(rand.NewPCG(seed, 0))
		for ctx.Err() == nil {
			set := make([]Backend, 0, len(backends))
			for _, backend := range backends {
				if random.IntN(3) > 0 {
					set = append(set, backend)
				}
			}
			b.SetBackends(set)
			for _, target := range b.current.Load().targets {
				everyone[target.backend] = true
			}
			b.Configure(Settings{Policy: []string{"round_robin", "least_load", "instance_aware_least_load"}[random.IntN(3)], StreamTimeout: time.Second})
			b.SetHold(time.Duration(random.IntN(2)) * time.Minute)
			b.Abort(int64(random.IntN(len(backends))))
			select {
			case <-time.After(time.Duration(random.IntN(3000)) * time.Microsecond):
			case <-ctx.Done():
			}
		}
	})
	client := newClient(t)
	var clients sync.WaitGroup
	for worker := range uint64(12) {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(seed, worker+1))
			for range 80 {
				patience, leave := context.WithTimeout(t.Context(), time.Duration(random.IntN(20_000))*time.Microsecond)
				fate := names[random.IntN(len(names))]
				header := []string{"X-Ordinary", "yes"}
				if fate == "/tunnel" {
					header = []string{"Connection", "Upgrade", "Upgrade", "echo"}
				}
				method := []string{"GET", "POST", "PUT", "HEAD"}[random.IntN(4)]
				body := ""
				if method == "POST" || method == "PUT" {
					body = strings.Repeat("x", random.IntN(100_000))
				}
				// Any outcome will do.
				_, _ = try(patience, client, method, front.URL+fate, body, header...)
				leave()
			}
		})
	}
	clients.Wait()
	stop()
	churn.Wait()

	b.SetBackends(nil)
	b.SetHold(0)
	for be := range everyone {
		until(t, "every backend is drained", func() bool { return isClosed(be.drained) })
		if n := be.state.Load(); n != left {
			t.Errorf("backend %d: state %d after it was drained", be.id, n)
		}
		until(t, "every connection is closed", func() bool {
			be.mu.Lock()
			defer be.mu.Unlock()
			return len(be.conns) == 0 && len(be.idle) == 0
		})
	}
	if len(b.known) != 0 || b.held.Load() != 0 {
		t.Errorf("%d backends are known, %d requests held", len(b.known), b.held.Load())
	}
	if got := b.Requests(time.Now()); int64(got) != arrived.Load() || got == 0 {
		t.Errorf("counted %d of %d requests", got, arrived.Load())
	}
}
