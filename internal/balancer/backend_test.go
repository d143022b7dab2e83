// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// gated is a replica whose answers wait for a word from the test.
func gated(t *testing.T, id int64) (*replica, chan struct{}) {
	t.Helper()
	gate := make(chan struct{})
	r := startReplica(t, id, "", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
			say(w, "done")
		case <-r.Context().Done():
		}
	})
	return r, gate
}

// background sends a request and gives the answer later.
func background(t *testing.T, method, url, body string) <-chan answer {
	t.Helper()
	c := make(chan answer, 1)
	ctx, client := t.Context(), newClient(t)
	go func() {
		got, err := try(ctx, client, method, url, body)
		if err != nil {
			got.body = err.Error()
		}
		c <- got
	}()
	return c
}

func TestABackendThatLeavesFinishesItsRequests(t *testing.T) {
	t.Parallel()
	one, gate := gated(t, 1)
	two := startReplica(t, 2, "two", nil)
	b, front := startFront(t, Options{}, one.Backend)
	got := background(t, "POST", front.URL, "{}")
	until(t, "the request is in flight", func() bool { return one.hits.Load() == 1 })

	b.SetBackends([]Backend{two.Backend})
	drained := b.Drained(1)
	if b.InFlight(1) != 1 || isClosed(drained) {
		t.Error("a request of a backend that left is not counted")
	}
	for range 5 {
		if got := do(t, "GET", front.URL, ""); got.body != "two" {
			t.Errorf("a new request got %q", got.body)
		}
	}
	gate <- struct{}{}
	if a := <-got; a.status != 200 || a.body != "done" {
		t.Errorf("the old request got %d %q", a.status, a.body)
	}
	<-drained
	if b.InFlight(1) != 0 || !isClosed(b.Drained(1)) {
		t.Error("drained and yet not")
	}
}

func TestABackendComesBackWithItsCount(t *testing.T) {
	t.Parallel()
	one, gate := gated(t, 1)
	b, front := startFront(t, Options{}, one.Backend)
	got := background(t, "GET", front.URL, "")
	until(t, "the request is in flight", func() bool { return one.hits.Load() == 1 })
	b.SetBackends(nil)
	drained := b.Drained(1)
	b.SetBackends([]Backend{one.Backend})
	if n := b.InFlight(1); n != 1 {
		t.Errorf("%d in flight after it came back, want 1", n)
	}
	gate <- struct{}{}
	if a := <-got; a.status != 200 {
		t.Errorf("got %d %q", a.status, a.body)
	}
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
	if isClosed(drained) {
		t.Error("a backend in the set counts as drained")
	}
	b.SetBackends(nil)
	<-drained
}

func TestDrainedAtOnce(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	if !isClosed(b.Drained(7)) {
		t.Error("a backend that never was is not drained")
	}
	b.SetBackends([]Backend{{ID: 7}})
	drained := b.Drained(7)
	if isClosed(drained) {
		t.Error("a backend in the set is drained")
	}
	b.SetBackends(nil)
	if !isClosed(drained) || len(b.known) != 0 {
		t.Error("an idle backend that left is not drained")
	}
}

// A replica is told by its id: another one at the same address starts afresh.
func TestAnAddressIsNotAnIdentity(t *testing.T) {
	t.Parallel()
	one, gate := gated(t, 1)
	b, front := startFront(t, Options{}, one.Backend)
	got := background(t, "GET", front.URL, "")
	until(t, "the request is in flight", func() bool { return one.hits.Load() == 1 })
	b.SetBackends([]Backend{{ID: 2, Address: one.Address}})
	if b.InFlight(1) != 1 || b.InFlight(2) != 0 {
		t.Errorf("in flight: %d to the old, %d to the new", b.InFlight(1), b.InFlight(2))
	}
	b.Abort(2)
	close(gate)
	if a := <-got; a.status != 200 {
		t.Errorf("the request to the old replica got %d %q", a.status, a.body)
	}
}

// A backend that has left refuses requests, however they found it.
func TestABackendThatLeftTakesNothing(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	b.SetBackends([]Backend{{ID: 1}})
	old := b.current.Load().targets[0]
	if !old.acquire() {
		t.Fatal("a backend in the set refuses")
	}
	b.SetBackends(nil)
	if old.acquire() || old.inFlight() != 1 {
		t.Errorf("a backend that left takes requests: %d in flight", old.inFlight())
	}
	drained := b.Drained(1)
	if isClosed(drained) {
		t.Error("a refused request drained the backend")
	}
	old.release()
	if !isClosed(drained) || old.acquire() || old.inFlight() != 0 {
		t.Errorf("drained: %v, %d in flight", isClosed(drained), old.inFlight())
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, method string
		status       int
	}{
		{"a GET that was not answered is tried elsewhere", "GET", 200},
		{"a POST is a 502 that is not the replica's failure", "POST", 502},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			one, _ := gated(t, 1)
			two := startReplica(t, 2, "two", nil)
			var reported failures
			b, front := startFront(t, Options{OnFailure: reported.add}, one.Backend)
			got := background(t, row.method, front.URL, "")
			until(t, "the request is in flight", func() bool { return one.hits.Load() == 1 })
			b.SetBackends([]Backend{two.Backend})
			drained := b.Drained(1)
			b.Abort(1)
			<-drained
			if a := <-got; a.status != row.status {
				t.Errorf("got %d %q", a.status, a.body)
			}
			if len(reported.ids) != 0 {
				t.Errorf("backends %v were blamed: %v", reported.ids, reported.err)
			}
		})
	}
}

func TestAbortOfWhatIsNotThereIsNothing(t *testing.T) {
	t.Parallel()
	one := startReplica(t, 1, "one", nil)
	b, front := startFront(t, Options{}, one.Backend)
	b.Abort(7)
	do(t, "GET", front.URL, "")
	b.SetBackends(nil)
	b.Abort(1)
	b.SetBackends([]Backend{one.Backend})
	if got := do(t, "GET", front.URL, ""); got.body != "one" {
		t.Errorf("a backend that came back after an abort: got %d %q", got.status, got.body)
	}
}

// echo is a replica that sends back what it gets over a websocket.
func echo(t *testing.T, id int64) *replica {
	t.Helper()
	return startReplica(t, id, "", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if conn.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	})
}

func open(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, nil) //nolint:bodyclose // there is none
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func exchangeMessages(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	for _, message := range []string{"hello", "and", "again"} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != message {
			t.Fatalf("got %q, %v, want %q", got, err, message)
		}
	}
}

func TestWebsocket(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(*Balancer, *replica, *websocket.Conn)
	}{
		{"the client closes", func(_ *Balancer, _ *replica, c *websocket.Conn) { c.Close(websocket.StatusNormalClosure, "") }},
		{"the client vanishes", func(_ *Balancer, _ *replica, c *websocket.Conn) { _ = c.CloseNow() }},
		{"the replica leaves and is aborted", func(b *Balancer, _ *replica, _ *websocket.Conn) { b.SetBackends(nil); b.Abort(1) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			one := echo(t, 1)
			b, front := startFront(t, Options{}, one.Backend)
			conn := open(t, front.URL)
			exchangeMessages(t, conn)
			if n := b.InFlight(1); n != 1 {
				t.Errorf("%d in flight during the tunnel", n)
			}
			row.end(b, one, conn)
			until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, _, err := conn.Read(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the client's end of the tunnel: %v", err)
			}
		})
	}
}

func TestWebsocketSurvivesADrain(t *testing.T) {
	t.Parallel()
	one := echo(t, 1)
	b, front := startFront(t, Options{}, refusing(t, 2), one.Backend)
	conn := open(t, front.URL)
	b.SetBackends(nil)
	exchangeMessages(t, conn)
	if isClosed(b.Drained(1)) {
		t.Error("drained with a tunnel open")
	}
	conn.Close(websocket.StatusNormalClosure, "")
	<-b.Drained(1)
}

// Each end of a tunnel may close its direction alone.
func TestATunnelMayBeHalfClosed(t *testing.T) {
	t.Parallel()
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		next()
		say(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
		question, _ := io.ReadAll(conn)
		say(conn, "answer to "+string(question))
		_ = conn.(*net.TCPConn).CloseWrite()
		drain(conn)
	})
	b, front := startFront(t, Options{}, one.Backend)
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", resp, err)
	}
	resp.Body.Close()
	say(conn, "question")
	_ = conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(reader); err != nil || string(got) != "answer to question" {
		t.Errorf("got %q, %v", got, err)
	}
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
}
