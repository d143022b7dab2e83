// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wire sends bytes to a balancer and gives the first answer.
func wire(t *testing.T, address, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	say(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("after %q: %v", request, err)
	}
	return resp
}

// What a backend is sent has one end only, whatever the client said of it.
func TestOneRequestStaysOneRequest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, request string
		status        int
		body          string // that the backend gets
	}{
		{"a length and chunks are chunks", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello"},
		{"two lengths that differ are refused", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, ""},
		{"another transfer encoding is refused", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, ""},
		{"a length that the connection header names stays", "POST / HTTP/1.1\r\nHost: x\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
		{"a host that is two lines is refused", "GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400, ""},
		{"a request of HTTP/1.0 needs no host", "GET / HTTP/1.0\r\n\r\n", 200, ""},
		{"an absolute address names the host", "GET http://shop.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			bodies := make(chan string, 9)
			one := startReplica(t, 1, "", func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				bodies <- string(body)
			})
			_, front := startFront(t, Options{}, one.Backend)
			resp := wire(t, front.Listener.Addr().String(), row.request)
			resp.Body.Close()
			if resp.StatusCode != row.status {
				t.Errorf("got %d, want %d", resp.StatusCode, row.status)
			}
			if row.status != 200 {
				if n := one.hits.Load(); n != 0 {
					t.Errorf("%d requests were passed on", n)
				}
			} else if body := <-bodies; body != row.body || one.hits.Load() != 1 {
				t.Errorf("%d requests arrived, the first with body %q, want %q", one.hits.Load(), body, row.body)
			}
		})
	}
}

// The server lets none of these through; they must not be written either way.
func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	good := func() *http.Request {
		return &http.Request{Method: "GET", URL: &url.URL{Path: "/"}, Host: "x", Header: http.Header{"A": {"b\tc"}}}
	}
	if err := check(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*http.Request){
		"a method with a space":      func(r *http.Request) { r.Method = "GET /other HTTP/1.1" },
		"no method":                  func(r *http.Request) { r.Method = "" },
		"a host with a line":         func(r *http.Request) { r.Host = "x\r\nA: b" },
		"an address without a path":  func(r *http.Request) { r.URL.Opaque = "x HTTP/1.1" },
		"a query with a space":       func(r *http.Request) { r.URL.RawQuery = "a b" },
		"a query with a line":        func(r *http.Request) { r.URL.RawQuery = "a\nb" },
		"a field's name with a line": func(r *http.Request) { r.Header["A\n"] = []string{"b"} },
		"a field with a line":        func(r *http.Request) { r.Header["A"] = []string{"b", "c\r\nD: e"} },
	} {
		r := good()
		if spoil(r); check(r) == nil {
			t.Errorf("%s is let through", name)
		}
	}
	// A path is always written encoded.
	r := good()
	r.URL.Path = "/a b\r\nc"
	if line, _, _ := strings.Cut(string(appendHead(nil, r, "")), "\r\n"); line != "GET /a%20b%0D%0Ac HTTP/1.1" {
		t.Errorf("got %q", line)
	}
}

func TestTrailersOfARequestArePassedOn(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	one := startReplica(t, 1, "", func(_ http.ResponseWriter, r *http.Request) {
		drain(r.Body)
		got <- r.Trailer
	})
	_, front := startFront(t, Options{}, one.Backend)
	wire(t, front.Listener.Addr().String(),
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n").Body.Close()
	if diff := cmp.Diff(http.Header{"X-Sum": {"42"}}, <-got); diff != "" {
		t.Errorf("trailers (-want +got):\n%s", diff)
	}
}

// answering is a replica that gives one answer, byte for byte, and then closes.
func answering(t *testing.T, answer string) *replica {
	t.Helper()
	return startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		if q := next(); q != nil {
			drain(q.Body)
			say(conn, answer)
			_ = conn.(*net.TCPConn).CloseWrite()
			drain(conn)
		}
	})
}

func TestAnswersOfEveryShape(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, answer string
		status       int
		body         string
	}{
		{"until the connection ends", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello"},
		{"of an old server", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 200, "hello"},
		{"without a body", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"not changed", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, ""},
		{"after two others", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
		{"with two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 502, ""},
		{"with a status that is none", "HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n", 502, ""},
		{"that is not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 502, ""},
		{"without an end to its head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHead/6+1), 502, ""},
		{"that switches protocols unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 502, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			one := answering(t, row.answer)
			b, front := startFront(t, Options{}, one.Backend)
			got := do(t, "POST", front.URL, "order")
			if got.status != row.status || row.status != 502 && got.body != row.body {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, row.status, row.body)
			}
			if _, guessed := got.header["Content-Type"]; guessed && row.status == 200 {
				t.Errorf("a media type was invented: %q", got.header["Content-Type"])
			}
			until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
		})
	}
}

// A replica that refuses a body by closing has its answer passed on.
func TestAnAnswerBeforeTheBodyIsRefused(t *testing.T) {
	t.Parallel()
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		next()
		say(conn, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlong")
		_ = conn.(*net.TCPConn).CloseWrite()
		drain(conn)
	})
	_, front := startFront(t, Options{}, one.Backend)
	if got := do(t, "POST", front.URL, strings.Repeat("x", 1<<20)); got.status != 413 || got.body != "long" {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

// What a replica says unasked, such as a body for a HEAD, is no answer to the
// next request.
func TestWhatComesUnaskedIsNoAnswer(t *testing.T) {
	t.Parallel()
	said := make(chan struct{})
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		for q := next(); q != nil; q = next() {
			say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
			if q.Method == "HEAD" {
				<-said
				say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				said <- struct{}{}
				continue
			}
			say(conn, "ok")
		}
	})
	b, front := startFront(t, Options{}, one.Backend)
	do(t, "HEAD", front.URL, "")
	until(t, "the connection is kept", func() bool { return b.InFlight(1) == 0 })
	said <- struct{}{}
	<-said
	if got := do(t, "GET", front.URL, ""); got.status != 200 || got.body != "ok" {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

// A replica that switches before it has the request would leave the rest of the
// body and the new protocol in one stream.
func TestATunnelDoesNotOpenInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		next()
		say(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		drain(conn)
	})
	b, front := startFront(t, Options{}, one.Backend)
	resp := wire(t, front.Listener.Addr().String(),
		"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 10\r\n\r\nhello")
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d", resp.StatusCode)
	}
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
}

func TestWritingAHeadAllocatesNothing(t *testing.T) {
	r := &http.Request{
		Method: "POST", URL: &url.URL{Path: "/v1/chat"}, Host: "x", RemoteAddr: "127.0.0.1:7", ContentLength: 2,
		Body: io.NopCloser(strings.NewReader("{}")), Header: http.Header{"Accept": {"*/*"}, "Connection": {"keep-alive"}},
	}
	p := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { _ = check(r); p = appendHead(p[:0], r, "y") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
