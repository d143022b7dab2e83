// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// failures collects what a balancer reports.
type failures struct {
	mu  sync.Mutex
	ids []int64
	err error
}

func (f *failures) add(id int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids, f.err = append(f.ids, id), err
}

func (f *failures) count(id int64) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, got := range f.ids {
		if got == id {
			n++
		}
	}
	return n
}

// Backend 1 fails in some way; backend 2 answers. Round robin begins with the
// second of a set, which 1 therefore is.
func TestRetry(t *testing.T) {
	t.Parallel()
	const key = "Idempotency-Key"
	big := strings.Repeat("x", maxRemembered+1)
	for _, row := range []struct {
		name         string
		refuses      bool // else it reads the request and resets the connection
		method, body string
		header       []string
		status       int
	}{
		{"L6 a GET is repeated when the connection is refused", true, "GET", "", nil, 200},
		{"a POST is repeated when the connection is refused", true, "POST", "order", nil, 200},
		{"a PATCH is repeated when the connection is refused", true, "PATCH", "change", nil, 200},
		{"a long POST is repeated when the connection is refused, as none of it was read", true, "POST", big, nil, 200},
		{"a GET is repeated when its backend dies", false, "GET", "", nil, 200},
		{"a HEAD is repeated when its backend dies", false, "HEAD", "", nil, 200},
		{"an OPTIONS is repeated when its backend dies", false, "OPTIONS", "", nil, 200},
		{"a DELETE is repeated when its backend dies", false, "DELETE", "", nil, 200},
		{"a PUT is repeated with its body when its backend dies", false, "PUT", "state", nil, 200},
		{"a PUT too long to be remembered is not", false, "PUT", big, nil, 502},
		{"a POST that was sent is not repeated", false, "POST", "order", nil, 502},
		{"a POST without a body that was sent is not repeated", false, "POST", "", nil, 502},
		{"a PATCH that was sent is not repeated", false, "PATCH", "change", nil, 502},
		{"a method of its own that was sent is not repeated", false, "FROB", "", nil, 502},
		{"a POST with an idempotency key is repeated", false, "POST", "order", []string{key, "4711"}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var reported failures
			bodies := make(chan string, 1)
			second := startReplica(t, 2, "", func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				bodies <- string(body)
			})
			dying := startReset(t, 1)
			first := dying.Backend
			if row.refuses {
				first = refusing(t, 1)
			}
			b, front := startFront(t, Options{Settings: Settings{Policy: "round_robin"}, OnFailure: reported.add}, second.Backend, first)

			got := do(t, row.method, front.URL, row.body, row.header...)
			if got.status != row.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, row.status)
			}
			switch row.status {
			case http.StatusOK:
				if body := <-bodies; body != row.body {
					t.Errorf("the second backend got a body of %d bytes, want %d", len(body), len(row.body))
				}
			default:
				if n := second.hits.Load(); n != 0 {
					t.Errorf("the request was sent %d more times", n)
				}
				if message, detail := problem(t, []byte(got.body)); message == "" || !strings.Contains(detail, "replica 1") {
					t.Errorf("error %q with detail %q does not name the replica", message, detail)
				}
			}
			if !row.refuses && dying.hits.Load() != 1 {
				t.Errorf("the first backend got the request %d times", dying.hits.Load())
			}
			if n := reported.count(1); n != 1 || len(reported.ids) != 1 {
				t.Errorf("failures reported of %v, want once of 1", reported.ids)
			}
			until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 && b.InFlight(2) == 0 })
		})
	}
}

func TestAnAnswerOfAnyStatusIsFinal(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404, 429, 500, 502, 503, 504} { // L5
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			handler := func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				say(w, "own words")
			}
			one, two := startReplica(t, 1, "", handler), startReplica(t, 2, "", handler)
			_, front := startFront(t, Options{}, one.Backend, two.Backend)
			if got := do(t, "GET", front.URL, ""); got.status != status || got.body != "own words" {
				t.Errorf("got %d %q", got.status, got.body)
			}
			if n := one.hits.Load() + two.hits.Load(); n != 1 {
				t.Errorf("the request was sent %d times", n)
			}
		})
	}
}

// L7.
func TestAllRefuseIs502NamingTheLastError(t *testing.T) {
	t.Parallel()
	_, front := startFront(t, Options{}, refusing(t, 1), refusing(t, 2))
	got := do(t, "POST", front.URL, "order")
	message, detail := problem(t, []byte(got.body))
	if got.status != http.StatusBadGateway || message == "" || !strings.Contains(detail, "connection refused") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestARequestMeetsThreeBackendsOnceEach(t *testing.T) {
	t.Parallel()
	var replicas []*replica
	var backends []Backend
	for id := range int64(5) {
		r := startReset(t, id+1)
		replicas, backends = append(replicas, r), append(backends, r.Backend)
	}
	var reported failures
	_, front := startFront(t, Options{OnFailure: reported.add}, backends...)
	if got := do(t, "GET", front.URL, ""); got.status != http.StatusBadGateway {
		t.Errorf("got %d %s", got.status, got.body)
	}
	total := int64(0)
	for _, r := range replicas {
		if n := r.hits.Load(); n > 1 {
			t.Errorf("backend %d got the request %d times", r.ID, n)
		}
		total += r.hits.Load()
	}
	if total != 3 || len(reported.ids) != 3 {
		t.Errorf("%d tries and %d reports, want 3 of each", total, len(reported.ids))
	}
}

// A refused connection costs one try: the next requests go elsewhere first.
func TestADeadBackendIsAvoidedAtOnce(t *testing.T) {
	t.Parallel()
	var reported failures
	live := startReplica(t, 2, "live", nil)
	_, front := startFront(t, Options{OnFailure: reported.add}, live.Backend, refusing(t, 1))
	for range 10 {
		if got := do(t, "GET", front.URL, ""); got.status != 200 || got.body != "live" {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	if n := reported.count(1); n > 2 { // more than once only on a machine that needs a second for 10 requests
		t.Errorf("the dead backend was tried %d times", n)
	}
}

// keepAlive is a replica that answers the first request on a connection, and
// the later ones only as then says.
func keepAlive(t *testing.T, id int64, then func(net.Conn)) *replica {
	t.Helper()
	return startRaw(t, id, func(conn net.Conn, next func() *http.Request) {
		for first := true; next() != nil; first = false {
			if !first && then != nil {
				then(conn)
				return
			}
			say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
}

func TestAKeptConnectionThatBreaks(t *testing.T) {
	t.Parallel()
	broken := func(net.Conn) {}
	for _, row := range []struct {
		name          string
		method        string
		alone         bool // there is no second backend
		status        int
		first, second int64 // requests seen, besides the one that made the connection
	}{
		{"a POST that was sent on it is lost, not repeated", "POST", false, 502, 1, 0},
		{"nor is it repeated on a new connection to the same backend", "POST", true, 502, 1, 0},
		{"a GET goes to another backend", "GET", false, 200, 1, 1},
		{"a GET gets a new connection when there is no other backend", "GET", true, 200, 2, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			one := keepAlive(t, 1, broken)
			two := startReplica(t, 2, "ok", nil)
			b, front := startFront(t, Options{Settings: Settings{Policy: "round_robin"}}, one.Backend)
			if got := do(t, "GET", front.URL, ""); got.status != 200 {
				t.Fatalf("the first request got %d %s", got.status, got.body)
			}
			until(t, "the connection is kept", func() bool { return b.InFlight(1) == 0 })
			if !row.alone {
				b.turn.Store(0)
				b.SetBackends([]Backend{two.Backend, one.Backend})
			}
			if got := do(t, row.method, front.URL, ""); got.status != row.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, row.status)
			}
			if got := one.hits.Load() - 1; got != row.first {
				t.Errorf("the first backend got it %d times, want %d", got, row.first)
			}
			if got := two.hits.Load(); got != row.second {
				t.Errorf("the second backend got it %d times, want %d", got, row.second)
			}
		})
	}
}

// A server that closes a connection right after its answer does not cost a
// POST: the closed connection is seen and not used.
func TestAPostIsNotSentOnAClosedConnection(t *testing.T) {
	t.Parallel()
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		drain(next().Body)
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	b, front := startFront(t, Options{}, one.Backend)
	for range 5 {
		if got := do(t, "POST", front.URL, "order"); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		until(t, "the closed connection is seen", func() bool {
			be := b.known[1]
			be.mu.Lock()
			defer be.mu.Unlock()
			return be.inFlight() == 0 && (len(be.idle) == 0 || !be.idle[0].alive())
		})
	}
	if n := one.hits.Load(); n != 5 {
		t.Errorf("5 requests were sent %d times", n)
	}
}

// mute is a connection that takes nothing more once something was read from it.
type mute struct {
	net.Conn
	done atomic.Bool
}

func (m *mute) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.done.Store(true)
	return n, err
}

func (m *mute) Write(p []byte) (int, error) {
	if m.done.Load() {
		return 0, errors.New("broken pipe")
	}
	return m.Conn.Write(p)
}

// A POST of which nothing was sent, body and all, may be repeated.
func TestAPostThatWasNotSentIsRepeated(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 2)
	one := startReplica(t, 1, "", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
	})
	b, front := startFront(t, Options{}, one.Backend)
	b.SetDial(wrapped(*b.dial.Load(), func(conn net.Conn) net.Conn { return &mute{Conn: conn} }))
	for _, body := range []string{"first", "second"} {
		if got := do(t, "POST", front.URL, body); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		if got := <-bodies; got != body {
			t.Errorf("the backend got %q, want %q", got, body)
		}
		until(t, "the connection is kept", func() bool { return b.InFlight(1) == 0 })
	}
	if n := one.hits.Load(); n != 2 {
		t.Errorf("2 requests arrived %d times", n)
	}
}

// L8, second half: between tries.
func TestAClientThatHasGoneIsNotTriedFor(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		next()
		<-gone // then the connection breaks
	})
	two := startReplica(t, 2, "", nil)
	var reported failures
	b, front := startFront(t, Options{Settings: Settings{Policy: "round_robin"}, OnFailure: reported.add}, two.Backend, one.Backend)

	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	say(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	until(t, "the request has arrived", func() bool { return one.hits.Load() == 1 })
	reset(conn)
	until(t, "it is given up", func() bool { return b.InFlight(1) == 0 })
	close(gone)
	if n := two.hits.Load(); n != 0 {
		t.Errorf("the request was tried %d more times", n)
	}
	if len(reported.ids) != 0 {
		t.Errorf("backends %v were blamed: %v", reported.ids, reported.err)
	}
}

func TestABodyThatEndsBadlyIsTheClientsFault(t *testing.T) {
	t.Parallel()
	var reported failures
	one := startReplica(t, 1, "", func(_ http.ResponseWriter, r *http.Request) { drain(r.Body) })
	_, front := startFront(t, Options{OnFailure: reported.add}, one.Backend)
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say(conn, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnot a chunk\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d", resp.StatusCode)
	}
	if len(reported.ids) != 0 {
		t.Errorf("backends %v were blamed: %v", reported.ids, reported.err)
	}
}
