// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// bubble is a balancer in a network of pipes, at the address "front:80", with
// backends at "replica-1:80" and so on.
type bubble struct {
	memory
	balancer *Balancer
	reported failures
}

// inBubble runs a test in virtual time. A nil handler is a machine that is gone.
func inBubble(t *testing.T, o Options, test func(*testing.T, *bubble), handlers ...http.HandlerFunc) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &bubble{memory: memory{}}
		o.OnFailure = x.reported.add
		x.balancer = New(o)
		x.balancer.SetDial(x.reach)
		var backends []Backend
		for i, handler := range handlers {
			b := Backend{ID: int64(i + 1), Address: fmt.Sprintf("replica-%d:80", i+1)}
			backends = append(backends, b)
			if handler != nil {
				x.serve(t, b.Address, handler)
			}
		}
		x.balancer.SetBackends(backends)
		x.serve(t, "front:80", x.balancer)
		test(t, x)
		synctest.Wait()
		for _, b := range backends {
			if n := x.balancer.InFlight(b.ID); n != 0 {
				t.Errorf("%d requests are in flight to backend %d", n, b.ID)
			}
		}
	})
}

// connect opens a connection to the front and sends the beginning of a request.
func (x *bubble) connect(t *testing.T, beginning string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := x.dial(t.Context(), "tcp", "front:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, beginning); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// silent reads the request, without which a server does not notice the end of
// its connection, and does not answer.
func silent(_ http.ResponseWriter, r *http.Request) {
	drain(r.Body)
	<-r.Context().Done()
}

func prompt(w http.ResponseWriter, _ *http.Request) { say(w, "prompt") }

func TestSilenceBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		method   string
		timeout  time.Duration
		handlers []http.HandlerFunc
		status   int
		after    time.Duration
		blamed   int // backend
	}{
		{"a silent replica is given up after the stream timeout", "GET", time.Minute, []http.HandlerFunc{silent}, 504, time.Minute, 1},
		{"which is two minutes if nothing is said", "GET", 0, []http.HandlerFunc{silent}, 504, 2 * time.Minute, 1},
		{"a GET is tried elsewhere then", "GET", time.Minute, []http.HandlerFunc{prompt, silent}, 200, time.Minute, 2},
		{"a POST is not", "POST", time.Minute, []http.HandlerFunc{prompt, silent}, 504, time.Minute, 2},
		{"a machine that is gone costs a connect timeout only", "POST", time.Hour, []http.HandlerFunc{prompt, nil}, 200, connectTimeout, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, Options{Settings: Settings{Policy: "round_robin", StreamTimeout: row.timeout}}, func(t *testing.T, x *bubble) {
				start := time.Now()
				got, err := try(t.Context(), x.client(t), row.method, "http://front/", "")
				if err != nil || got.status != row.status || time.Since(start) != row.after {
					t.Errorf("got %d %s %v after %v, want %d after %v", got.status, got.body, err, time.Since(start), row.status, row.after)
				}
				if x.reported.count(int64(row.blamed)) != 1 || len(x.reported.ids) != 1 {
					t.Errorf("failures reported of %v, want once of %d", x.reported.ids, row.blamed)
				}
			}, row.handlers...)
		})
	}
}

func TestAStreamMayBeLongButNotSilent(t *testing.T) {
	t.Parallel()
	chunks := func(n int, pause time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for range n {
				send(w, "x")
				select {
				case <-time.After(pause):
				case <-r.Context().Done():
					return
				}
			}
		}
	}
	t.Run("an hour of chunks with pauses below the timeout is passed on", func(t *testing.T) {
		t.Parallel()
		inBubble(t, Options{Settings: Settings{StreamTimeout: time.Minute}}, func(t *testing.T, x *bubble) {
			start := time.Now()
			got, err := try(t.Context(), x.client(t), "POST", "http://front/", "{}")
			if err != nil || len(got.body) != 72 || time.Since(start) != time.Hour {
				t.Errorf("got %d chunks, %v after %v", len(got.body), err, time.Since(start))
			}
		}, chunks(72, 50*time.Second))
	})
	t.Run("a stream that falls silent breaks off", func(t *testing.T) {
		t.Parallel()
		inBubble(t, Options{Settings: Settings{StreamTimeout: time.Minute}}, func(t *testing.T, x *bubble) {
			start := time.Now()
			got, err := try(t.Context(), x.client(t), "GET", "http://front/", "")
			if err == nil || got.body != "x" || time.Since(start) != time.Minute {
				t.Errorf("got %q, %v after %v", got.body, err, time.Since(start))
			}
			if x.reported.count(1) != 1 {
				t.Errorf("failures reported of %v, want once of 1", x.reported.ids)
			}
		}, chunks(2, time.Hour))
	})
	t.Run("the timeout may be changed while a stream runs", func(t *testing.T) {
		t.Parallel()
		inBubble(t, Options{Settings: Settings{StreamTimeout: time.Minute}}, func(t *testing.T, x *bubble) {
			time.AfterFunc(30*time.Second, func() { x.balancer.Configure(Settings{StreamTimeout: time.Hour}) })
			if got, err := try(t.Context(), x.client(t), "GET", "http://front/", ""); err != nil || got.body != "xx" {
				t.Errorf("got %q, %v", got.body, err)
			}
		}, chunks(2, 30*time.Minute))
	})
}

func TestAClientThatStopsSending(t *testing.T) {
	t.Parallel()
	read := func(_ http.ResponseWriter, r *http.Request) { drain(r.Body) }
	inBubble(t, Options{Settings: Settings{StreamTimeout: time.Minute}}, func(t *testing.T, x *bubble) {
		start := time.Now()
		_, reader := x.connect(t, "POST / HTTP/1.1\r\nHost: front\r\nContent-Length: 10\r\n\r\nhello")
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout || time.Since(start) != time.Minute {
			t.Errorf("got %d after %v", resp.StatusCode, time.Since(start))
		}
		if len(x.reported.ids) != 0 {
			t.Errorf("backends %v were blamed: %v", x.reported.ids, x.reported.err)
		}
	}, read)
}

// In real time: a goroutine of the proxy waits for a mutex meanwhile, which
// stops virtual time.
func TestAClientThatStopsReading(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	one := startReplica(t, 1, "", func(w http.ResponseWriter, _ *http.Request) {
		pass(w, zeros{})
		close(gone)
	})
	var reported failures
	b, front := startFront(t, Options{Settings: Settings{StreamTimeout: time.Second}, OnFailure: reported.add}, one.Backend)
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say(conn, "GET / HTTP/1.1\r\nHost: front\r\n\r\n")
	<-gone
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
	if len(reported.ids) != 0 {
		t.Errorf("backends %v were blamed: %v", reported.ids, reported.err)
	}
}

func TestAbortEndsARequestWhoseClientIsStill(t *testing.T) {
	t.Parallel()
	read := func(_ http.ResponseWriter, r *http.Request) { drain(r.Body) }
	inBubble(t, Options{}, func(t *testing.T, x *bubble) {
		_, reader := x.connect(t, "POST / HTTP/1.1\r\nHost: front\r\nContent-Length: 10\r\n\r\nhello")
		synctest.Wait()
		x.balancer.SetBackends(nil)
		drained := x.balancer.Drained(1)
		start := time.Now()
		x.balancer.Abort(1)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		<-drained
		if resp.StatusCode != http.StatusBadGateway || time.Since(start) != 0 {
			t.Errorf("got %d after %v", resp.StatusCode, time.Since(start))
		}
		if len(x.reported.ids) != 0 {
			t.Errorf("backends %v were blamed: %v", x.reported.ids, x.reported.err)
		}
	}, read)
}

func TestAbortEndsARequestThatIsConnecting(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, x *bubble) {
		_, reader := x.connect(t, "GET / HTTP/1.1\r\nHost: front\r\n\r\n")
		synctest.Wait()
		x.balancer.SetBackends(nil)
		start := time.Now()
		x.balancer.Abort(1)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadGateway || time.Since(start) != 0 {
			t.Errorf("got %d after %v", resp.StatusCode, time.Since(start))
		}
	}, nil)
}

func TestConnectionsAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	inBubble(t, Options{}, func(t *testing.T, x *bubble) {
		dials := 0
		x.balancer.SetDial(func(ctx context.Context, way, address string) (net.Conn, error) {
			dials++
			return x.reach(ctx, way, address)
		})
		be := x.balancer.known[1]
		client := x.client(t)
		send := func(method, body string) {
			t.Helper()
			if got, err := try(t.Context(), client, method, "http://front/", body); err != nil || got.status != 200 {
				t.Fatalf("got %d, %v", got.status, err)
			}
			synctest.Wait()
		}
		for range 20 {
			send("GET", "")
			send("POST", "data")
			send("HEAD", "")
			<-time.After(idleTimeout - time.Millisecond)
		}
		if dials != 1 {
			t.Errorf("%d connections were made for requests in a row", dials)
		}
		<-time.After(idleTimeout)
		synctest.Wait()
		if len(be.conns) != 0 || len(be.idle) != 0 {
			t.Errorf("after the idle timeout there are %d connections, %d kept", len(be.conns), len(be.idle))
		}
		send("GET", "")
		if dials != 2 {
			t.Errorf("%d connections were made, want a second one after the pause", dials)
		}
		// The same replica at another address is not reached by the old connection.
		x.serve(t, "moved:80", http.HandlerFunc(prompt))
		x.balancer.SetBackends([]Backend{{ID: 1, Address: "moved:80"}})
		send("GET", "")
		if dials != 3 {
			t.Errorf("%d connections were made, want a third one to the new address", dials)
		}
		if len(be.conns) != 1 {
			t.Errorf("%d connections are there, want the one to the new address", len(be.conns))
		}
	}, prompt)
}
