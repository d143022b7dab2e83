// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// brokenOff starts a replica that dies in the middle of its answer, which is of a
// length that nobody knows.
func brokenOff(t *testing.T, id int64) *replica {
	t.Helper()
	return startRaw(t, id, func(conn net.Conn, next func() *http.Request) {
		if next() != nil {
			say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		}
	})
}

// Backend 1 fails, and is asked first.
func TestWhatAFailureCosts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		first   func(t *testing.T) Backend
		another bool // there is one that answers
		method  string
		want    map[int64]Toll
	}{
		{"nothing fails", func(t *testing.T) Backend { return startReplica(t, 1, "one", nil).Backend }, true, "GET", nil},
		{"a GET is refused and sent elsewhere", func(t *testing.T) Backend { return refusing(t, 1) }, true, "GET", map[int64]Toll{1: {Retried: 1}}},
		{"a GET is not answered and sent elsewhere", func(t *testing.T) Backend { return startReset(t, 1).Backend }, true, "GET", map[int64]Toll{1: {Retried: 1}}},
		{"there is nowhere else to send a GET", func(t *testing.T) Backend { return startReset(t, 1).Backend }, false, "GET", map[int64]Toll{1: {Lost: 1}}},
		{"a POST is not answered", func(t *testing.T) Backend { return startReset(t, 1).Backend }, true, "POST", map[int64]Toll{1: {Lost: 1}}},
		{"an answer breaks off", func(t *testing.T) Backend { return brokenOff(t, 1).Backend }, true, "GET", map[int64]Toll{1: {Lost: 1}}},
		{"an answer of 500 is one", func(t *testing.T) Backend {
			return startReplica(t, 1, "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }).Backend
		}, true, "GET", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			backends := []Backend{row.first(t)}
			if row.another {
				// Round robin begins with the second of a set.
				backends = []Backend{startReplica(t, 2, "two", nil).Backend, backends[0]}
			}
			b, front := startFront(t, Options{Settings: Settings{Policy: "round_robin"}}, backends...)
			_, _ = try(t.Context(), newClient(t), row.method, front.URL, "")
			// A client may see the end of an answer before we do.
			until(t, "the request is over", func() bool { return b.Stats().UnderWay == 0 })
			if diff := cmp.Diff(row.want, b.Toll()); diff != "" {
				t.Errorf("the toll (-want +got):\n%s", diff)
			}
			if again := b.Toll(); again != nil {
				t.Errorf("what was told is told again: %v", again)
			}
		})
	}
}

func TestWhatIsCutIsLost(t *testing.T) {
	t.Parallel()
	streaming := startReplica(t, 1, "", func(w http.ResponseWriter, r *http.Request) {
		send(w, "begun")
		<-r.Context().Done()
	})
	b, front := startFront(t, Options{}, streaming.Backend)
	go func() { _, _ = try(context.Background(), http.DefaultClient, "GET", front.URL, "") }()
	until(t, "the stream has begun", func() bool { return b.Stats().Begun == 1 })
	b.SetBackends([]Backend{echo(t, 2).Backend})
	open(t, front.URL)
	b.SetBackends(nil)
	drained := []<-chan struct{}{b.Drained(1), b.Drained(2)}
	b.Abort(1)
	b.Abort(2)
	for _, one := range drained {
		<-one
	}
	// Both are forgotten by now, but not what they cost.
	if diff := cmp.Diff(map[int64]Toll{1: {Lost: 1}, 2: {Lost: 1}}, b.Toll()); diff != "" {
		t.Errorf("the toll (-want +got):\n%s", diff)
	}
}

func TestAClientThatGoesIsNotLost(t *testing.T) {
	t.Parallel()
	one, _ := gated(t, 1)
	b, front := startFront(t, Options{}, one.Backend)
	ctx, leave := context.WithCancel(t.Context())
	client := newClient(t)
	go func() { _, _ = try(ctx, client, "GET", front.URL, "") }()
	until(t, "the request is in flight", func() bool { return one.hits.Load() == 1 })
	leave()
	until(t, "the request is over", func() bool { return b.Stats().UnderWay == 0 })
	if toll := b.Toll(); toll != nil {
		t.Errorf("the toll is %v", toll)
	}
}

func TestOnlyTheLastBackendsAreRemembered(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	for id := range int64(2 * maxPast) {
		b.SetBackends([]Backend{{ID: id, Address: "127.0.0.1:1"}})
	}
	b.SetBackends(nil)
	if len(b.past) != maxPast || b.past[maxPast-1].id != 2*maxPast-1 {
		t.Errorf("%d are remembered", len(b.past))
	}
}
