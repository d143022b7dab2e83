// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
)

// several gives a set of backends.
func several(ids ...int64) []Backend {
	var all []Backend
	for _, id := range ids {
		all = append(all, Backend{ID: id, Address: fmt.Sprintf("127.0.0.1:%d", id)})
	}
	return all
}

// home finds where a session goes when nothing else is under way.
func (b *Balancer) home(session string) int64 {
	be := b.pick(session, nil)
	defer be.release()
	return be.id
}

func TestASessionStaysWhereItIs(t *testing.T) {
	t.Parallel()
	const sessions = 1000
	b, other := New(Options{}), New(Options{})
	b.SetBackends(several(1, 2, 3, 4, 5))
	other.SetBackends(several(5, 3, 1, 2, 4))
	homes, count := map[string]int64{}, map[int64]int{}
	for i := range sessions {
		session := fmt.Sprint("session ", i)
		homes[session] = b.home(session)
		count[homes[session]]++
		if again := b.home(session); again != homes[session] {
			t.Errorf("%s goes to %d and then to %d", session, homes[session], again)
		}
		if elsewhere := other.home(session); elsewhere != homes[session] {
			t.Errorf("%s goes to %d, and at another copy to %d", session, homes[session], elsewhere)
		}
	}
	for id, n := range count {
		if n < sessions/5*7/10 || n > sessions/5*13/10 {
			t.Errorf("backend %d has %d of %d sessions", id, n, sessions)
		}
	}
	// Only those move whose backend has gone, and only to a new one.
	moved := func(set []Backend, may func(from, to int64) bool) (n int) {
		b.SetBackends(set)
		for session, from := range homes {
			if to := b.home(session); to != from {
				n++
				if !may(from, to) {
					t.Errorf("%s has moved from %d to %d", session, from, to)
				}
			}
		}
		return n
	}
	if n := moved(several(1, 2, 4, 5), func(from, _ int64) bool { return from == 3 }); n != count[3] {
		t.Errorf("%d sessions have moved, want the %d of the backend that has gone", n, count[3])
	}
	if n := moved(several(1, 2, 3, 4, 5, 6), func(_, to int64) bool { return to == 6 }); n < sessions/6/2 {
		t.Errorf("%d sessions have moved to the new backend", n)
	}
}

// A backend that has more than its share is passed over, and comes back.
func TestASessionIsWorthLessThanAnAnswerInTime(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	b.SetBackends(several(1, 2, 3, 4))
	own := b.home("mine")
	var held []*backend
	count := map[int64]int{}
	for range 40 {
		be := b.pick("mine", nil)
		held = append(held, be)
		count[be.id]++
	}
	if count[own] < 10 || count[own] > 14 {
		t.Errorf("of 40 requests under way %d are at the session's own backend, want at most 1.25 times the mean: %v", count[own], count)
	}
	for _, be := range held {
		be.release()
	}
	if again := b.home("mine"); again != own {
		t.Errorf("the session is at %d now and was at %d", again, own)
	}
	// What it has tried already it is not given again.
	if be := b.pick("mine", []*backend{held[0]}); be == nil || be == held[0] {
		t.Error("it is sent where it has failed")
	} else {
		be.release()
	}
}

func TestSessionsByCookieAndByHeader(t *testing.T) {
	t.Parallel()
	var backends []Backend
	for id := range int64(4) {
		backends = append(backends, startReplica(t, id+1, fmt.Sprint(id+1), nil).Backend)
	}
	b, front := startFront(t, Options{Settings: Settings{Cookie: "sid"}}, backends...)
	seen := map[string]bool{}
	for range 20 {
		client := newClient(t)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		client.Jar = jar
		first := ""
		for range 5 {
			a, err := try(t.Context(), client, http.MethodGet, front.URL, "")
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = a.body
			} else if a.header.Get("Set-Cookie") != "" {
				t.Error("a client that has a cookie is given another")
			}
			if a.body != first {
				t.Errorf("a session has come to replica %s and to %s", first, a.body)
			}
		}
		seen[first] = true
		at, err := url.Parse(front.URL)
		if err != nil {
			t.Fatal(err)
		}
		if cookies := jar.Cookies(at); len(cookies) != 1 || cookies[0].Name != "sid" || len(cookies[0].Value) < 20 {
			t.Errorf("the client has the cookies %v", cookies)
		}
	}
	if len(seen) < 3 {
		t.Errorf("all sessions are at %v", seen)
	}

	b.Configure(Settings{Header: "X-Session"})
	client := newClient(t)
	for _, session := range []string{"a", "b", "c"} {
		first := ""
		for range 5 {
			a, err := try(t.Context(), client, http.MethodGet, front.URL, "", "X-Session", session)
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = a.body
			}
			if a.body != first || a.header.Get("Set-Cookie") != "" {
				t.Errorf("session %s has come to replica %s and to %s, with the cookie %q", session, first, a.body, a.header.Get("Set-Cookie"))
			}
		}
	}
}
