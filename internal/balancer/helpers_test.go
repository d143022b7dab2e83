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
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// replica is a server that a balancer sends requests to.
type replica struct {
	Backend
	server *httptest.Server
	hits   atomic.Int64
}

// startReplica starts a replica on loopback that answers with handler, or with
// its name if that is nil.
func startReplica(t *testing.T, id int64, name string, handler http.HandlerFunc) *replica {
	t.Helper()
	r := &replica{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.hits.Add(1)
		if handler != nil {
			handler(w, q)
			return
		}
		say(w, name)
	}))
	t.Cleanup(r.server.Close)
	r.Backend = Backend{ID: id, Address: r.server.Listener.Addr().String()}
	return r
}

// startRaw starts a replica that does with its connections what serve does; a
// connection is reset when serve returns. Hits are requests read.
func startRaw(t *testing.T, id int64, serve func(net.Conn, func() *http.Request)) *replica {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r := &replica{Backend: Backend{ID: id, Address: listener.Addr().String()}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer reset(conn)
				reader := bufio.NewReader(conn)
				serve(conn, func() *http.Request {
					q, err := http.ReadRequest(reader)
					if err != nil {
						return nil
					}
					r.hits.Add(1)
					return q
				})
			}()
		}
	}()
	return r
}

// reset closes a connection as the death of a process with unread data does.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// startReset starts a replica that reads requests and resets the connection.
func startReset(t *testing.T, id int64) *replica {
	t.Helper()
	return startRaw(t, id, func(_ net.Conn, next func() *http.Request) {
		if q := next(); q != nil {
			drain(q.Body)
		}
	})
}

// refusing is a backend at an address where nobody listens: that of the near
// end of a connection, which no listener of another test is given meanwhile.
func refusing(t *testing.T, id int64) Backend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return Backend{ID: id, Address: conn.LocalAddr().String()}
}

// startFront serves a balancer on loopback.
func startFront(t *testing.T, o Options, backends ...Backend) (*Balancer, *httptest.Server) {
	t.Helper()
	b := New(o)
	b.SetBackends(backends)
	front := httptest.NewServer(b)
	t.Cleanup(front.Close)
	return b, front
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

// newClient is a client of the test's own: httptest closes the connections of
// the default one whenever any test ends a server.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// do sends a request; an answer that breaks off is a failed test.
func do(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	a, err := try(t.Context(), newClient(t), method, url, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

// try sends a request with headers given as name, value, name, value.
func try(ctx context.Context, client *http.Client, method, url, body string, header ...string) (answer, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	q, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(q)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(got)}, err
}

// until waits for a condition that another goroutine is about to make true.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// say writes a text; whoever is to get it may be gone.
func say(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

// send writes a text and does not let it wait for more.
func send(w http.ResponseWriter, text string) {
	say(w, text)
	_ = http.NewResponseController(w).Flush()
}

// drain reads all there is.
func drain(r io.Reader) { pass(io.Discard, r) }

// pass writes all there is to read, as long as somebody takes it.
func pass(w io.Writer, r io.Reader) { _, _ = io.Copy(w, r) }

// isClosed reports whether a channel is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// memory is a network of pipes, for tests in a synctest bubble.
type memory map[string]*pipes

// pipes is a listener in such a network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (m memory) listen(address string) *pipes {
	m[address] = &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	return m[address]
}

func (m memory) dial(ctx context.Context, _, address string) (net.Conn, error) {
	listener := m[address]
	if listener == nil {
		<-ctx.Done() // a machine that is gone does not even refuse
		return nil, ctx.Err()
	}
	ours, theirs := net.Pipe()
	select {
	case listener.conns <- theirs:
		return ours, nil
	case <-listener.closed:
		return nil, errors.New("connection refused")
	}
}

// reach dials for a balancer.
func (m memory) reach(ctx context.Context, _, address string) (net.Conn, error) {
	return m.dial(ctx, "tcp", address)
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// serve runs a server in the network until the test's bubble ends.
func (m memory) serve(t *testing.T, address string, handler http.Handler) {
	t.Helper()
	server := &http.Server{Handler: handler}
	listener := m.listen(address)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
}

// client sends requests into the network.
func (m memory) client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: m.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// wrapped is a dialer whose connections are changed by wrap.
func wrapped(dial Dial, wrap func(net.Conn) net.Conn) Dial {
	return func(ctx context.Context, way, address string) (net.Conn, error) {
		conn, err := dial(ctx, way, address)
		if err != nil {
			return nil, err
		}
		return wrap(conn), nil
	}
}
