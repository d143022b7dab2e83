// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func sortedKeys(m map[int64]int) []int64 { return slices.Sorted(maps.Keys(m)) }

// get sends a GET straight to a balancer.
func get(b *Balancer) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w
}

// problem reads the document an error is answered with.
func problem(t *testing.T, body []byte) (message, detail string) {
	t.Helper()
	var p struct{ Error, Detail string }
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("the error is not JSON: %v in %q", err, body)
	}
	return p.Error, p.Detail
}

// replied is a network with one replica, at the address "replica".
func replied(t *testing.T, b *Balancer) {
	t.Helper()
	m := memory{}
	m.serve(t, "replica:80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.SetDial(m.reach)
}

// L4.
func TestNothingReadyIs503AtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arrivals := 0
		b := New(Options{OnArrival: func() { arrivals++ }})
		start := time.Now()
		w := get(b)
		if time.Since(start) != 0 {
			t.Errorf("the answer took %v", time.Since(start))
		}
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" ||
			w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("got %d with headers %v", w.Code, w.Header())
		}
		if message, detail := problem(t, w.Body.Bytes()); message != "no replica is ready" || detail == "" {
			t.Errorf("got error %q, detail %q", message, detail)
		}
		if arrivals != 1 {
			t.Errorf("told of %d arrivals, want 1", arrivals)
		}
		// Requests answered 503 are requests all the same: they wake the service (A12).
		if got := b.Requests(time.Now()); got != 1 {
			t.Errorf("counted %d requests, want 1", got)
		}
	})
}

func TestHoldingARequestUntilSomethingIsReady(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		then   func(*Balancer)
		after  time.Duration // how long the request has to wait
		status int
	}{
		{"a backend comes and takes it", func(b *Balancer) { b.SetBackends([]Backend{{ID: 1, Address: "replica:80"}}) }, time.Minute, 200},
		{"nothing comes for the whole time", func(*Balancer) {}, 120 * time.Second, 503},
		{"an empty set is not something", func(b *Balancer) { b.SetBackends(nil) }, 120 * time.Second, 503},
		{"a change of settings is not something", func(b *Balancer) { b.Configure(Settings{StreamTimeout: time.Hour}) }, 120 * time.Second, 503},
		{"there is nothing to wait for any more", func(b *Balancer) { b.SetHold(0) }, time.Minute, 503},
		{"it is to wait for less", func(b *Balancer) { b.SetHold(90 * time.Second) }, 90 * time.Second, 503},
		{"it has waited for longer than it is to", func(b *Balancer) { b.SetHold(30 * time.Second) }, time.Minute, 503},
		{"it is to wait for longer", func(b *Balancer) { b.SetHold(150 * time.Second) }, 150 * time.Second, 503},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				arrivals := 0
				b := New(Options{OnArrival: func() { arrivals++ }})
				replied(t, b)
				b.SetHold(120 * time.Second)
				time.AfterFunc(time.Minute, func() { row.then(b) })
				start := time.Now()
				w := get(b)
				if got := time.Since(start); w.Code != row.status || got != row.after {
					t.Errorf("got %d after %v, want %d after %v", w.Code, got, row.status, row.after)
				}
				if arrivals != 1 {
					t.Errorf("told of %d arrivals, want 1", arrivals)
				}
				if got := b.held.Load(); got != 0 {
					t.Errorf("%d requests still count as held", got)
				}
			})
		})
	}
}

// A request whose only backend fails it waits for another: for long when the
// failed one leaves, and for a moment while it stays.
func TestAFailedRequestWaitsForAnotherBackend(t *testing.T) {
	t.Parallel()
	another := []Backend{{ID: 2, Address: "replica:80"}}
	for _, row := range []struct {
		name   string
		method string
		hold   time.Duration
		sets   map[time.Duration][]Backend // by when they take the place of the failing one
		after  time.Duration
		status int
	}{
		{"the set is replaced", "GET", time.Minute, map[time.Duration][]Backend{time.Millisecond: another}, time.Millisecond, 200},
		{"the failed one leaves, and another comes", "GET", time.Minute, map[time.Duration][]Backend{time.Second / 2: nil, 20 * time.Second: another}, 20 * time.Second, 200},
		{"the failed one leaves, and none comes", "GET", time.Minute, map[time.Duration][]Backend{time.Second / 2: nil}, time.Minute, 502},
		{"the failed one stays", "GET", time.Minute, map[time.Duration][]Backend{20 * time.Second: another}, suspicion, 502},
		{"there is no waiting", "GET", 0, map[time.Duration][]Backend{time.Millisecond: another}, 0, 502},
		{"the request must not be repeated", "POST", time.Minute, map[time.Duration][]Backend{time.Millisecond: another}, 0, 502},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := New(Options{})
				m := memory{}
				m.serve(t, "replica:80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				m.serve(t, "failing:80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
				b.SetDial(m.reach)
				b.SetHold(row.hold)
				b.SetBackends([]Backend{{ID: 1, Address: "failing:80"}})
				for when, set := range row.sets {
					time.AfterFunc(when, func() { b.SetBackends(set) })
				}
				start := time.Now()
				w := httptest.NewRecorder()
				b.ServeHTTP(w, httptest.NewRequest(row.method, "/", nil))
				if got := time.Since(start); w.Code != row.status || got != row.after {
					t.Errorf("got %d after %v, want %d after %v: %s", w.Code, got, row.status, row.after, w.Body)
				}
				if got := b.held.Load(); got != 0 {
					t.Errorf("%d requests still count as held", got)
				}
			})
		})
	}
}

func TestHoldingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{MaxHeld: 3})
		replied(t, b)
		b.SetHold(120 * time.Second)
		var waiting sync.WaitGroup
		codes := make([]int, 3)
		for i := range codes {
			waiting.Go(func() { codes[i] = get(b).Code })
		}
		synctest.Wait()
		start := time.Now()
		w := get(b)
		if _, detail := problem(t, w.Body.Bytes()); w.Code != 503 || time.Since(start) != 0 || detail != errTooMany.Error() {
			t.Errorf("one too many got %d, %q after %v", w.Code, detail, time.Since(start))
		}
		b.SetBackends([]Backend{{ID: 1, Address: "replica:80"}})
		waiting.Wait()
		if !slices.Equal(codes, []int{200, 200, 200}) {
			t.Errorf("those that waited got %v", codes)
		}
		if got := b.Requests(time.Now()); got != 4 {
			t.Errorf("counted %d requests, want 4", got)
		}
	})
}

func TestAHeldRequestEndsWithItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		b.SetHold(120 * time.Second)
		m := memory{}
		m.serve(t, "front:80", b)
		client := m.client(t)
		client.Timeout = 7 * time.Second
		if _, err := try(t.Context(), client, http.MethodGet, "http://front/", ""); err == nil {
			t.Error("an answer came out of nothing")
		}
		synctest.Wait()
		if got := b.held.Load(); got != 0 {
			t.Errorf("%d requests are held for nobody", got)
		}
	})
}

// L11. A set that nobody renews is used on: the balancer does not depend on
// being told the same thing again.
func TestTheSetStaysUntilItIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		replied(t, b)
		b.SetBackends([]Backend{{ID: 1, Address: "replica:80"}})
		for range 3 {
			<-time.After(24 * time.Hour)
			if w := get(b); w.Code != http.StatusOK {
				t.Errorf("got %d", w.Code)
			}
		}
	})
}
