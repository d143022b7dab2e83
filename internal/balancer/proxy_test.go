// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryMethodIsPassedOn(t *testing.T) { // L12
	t.Parallel()
	one := startReplica(t, 1, "", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		say(w, string(body))
	})
	_, front := startFront(t, Options{}, one.Backend)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FROB"} {
		body := "body of " + method
		if method == "HEAD" || method == "TRACE" || method == "GET" {
			body = ""
		}
		got := do(t, method, front.URL, body)
		if got.status != 200 || got.header.Get("X-Method") != method || got.body != body {
			t.Errorf("%s: got %d, method %q, body %q", method, got.status, got.header.Get("X-Method"), got.body)
		}
	}
	if got := do(t, "CONNECT", front.URL, ""); got.status != http.StatusNotImplemented {
		t.Errorf("CONNECT: got %d", got.status)
	}
}

func TestRequestsArePassedOnAsTheyCame(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	one := startReplica(t, 1, "", func(_ http.ResponseWriter, r *http.Request) { seen = r })
	b := New(Options{})
	b.SetBackends([]Backend{one.Backend})
	plain, secure := httptest.NewServer(b), httptest.NewTLSServer(b)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)

	for _, row := range []struct {
		name   string
		url    string
		header []string
		check  func(*http.Request) string
		want   string
	}{
		{"the host is the client's", plain.URL, []string{"Host", "shop.example"}, func(r *http.Request) string { return r.Host }, "shop.example"},
		{"the path stays encoded", plain.URL + "/a%2Fb//c/../d", nil, func(r *http.Request) string { return r.URL.EscapedPath() }, "/a%2Fb//c/../d"},
		{"the query is not touched", plain.URL + "/?b=1;a=2&%zz&c", nil, func(r *http.Request) string { return r.URL.RawQuery }, "b=1;a=2&%zz&c"},
		{"paths of web frameworks are the replica's own", plain.URL + "/docs", nil, func(r *http.Request) string { return r.URL.Path }, "/docs"},
		{"the client's address is told", plain.URL, nil, head("X-Forwarded-For"), "127.0.0.1"},
		{"proxies before us stay in the list", plain.URL, []string{"X-Forwarded-For", "192.0.2.7, 192.0.2.8"}, head("X-Forwarded-For"), "192.0.2.7, 192.0.2.8, 127.0.0.1"},
		{"the host asked for is told", plain.URL, []string{"Host", "shop.example"}, head("X-Forwarded-Host"), "shop.example"},
		{"the scheme is told", plain.URL, nil, head("X-Forwarded-Proto"), "http"},
		{"a secure scheme is told (L10)", secure.URL, nil, head("X-Forwarded-Proto"), "https"},
		{"the scheme is ours to tell", plain.URL, []string{"X-Forwarded-Proto", "https"}, head("X-Forwarded-Proto"), "http"},
		{"authorization is passed on", plain.URL, []string{"Authorization", "Bearer key"}, head("Authorization"), "Bearer key"},
		{"a missing user agent is not invented", plain.URL, []string{"User-Agent", ""}, head("User-Agent"), ""},
		{"compression is not asked for in the client's place", plain.URL, []string{"Accept-Encoding", "br"}, head("Accept-Encoding"), "br"},
		{"headers of the connection are not passed on", plain.URL, []string{"Connection", "X-Hop", "X-Hop", "1", "Keep-Alive", "9"}, head("X-Hop", "Connection", "Keep-Alive"), ""},
		{"headers a proxy is meant for are not passed on", plain.URL, []string{"Proxy-Authorization", "Basic x"}, head("Proxy-Authorization"), ""},
		{"a wish for trailers is passed on", plain.URL, []string{"Te", "trailers, deflate"}, head("Te"), "trailers"},
	} {
		t.Run(row.name, func(t *testing.T) {
			q, err := http.NewRequestWithContext(t.Context(), "GET", row.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(row.header); i += 2 {
				q.Header.Add(row.header[i], row.header[i+1])
			}
			q.Host = q.Header.Get("Host")
			q.Header.Del("Host")
			resp, err := secure.Client().Do(q)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := row.check(seen); got != row.want {
				t.Errorf("the replica saw %q, want %q", got, row.want)
			}
		})
	}
}

// head gives the values of headers, joined.
func head(names ...string) func(*http.Request) string {
	return func(r *http.Request) string {
		var values []string
		for _, name := range names {
			values = append(values, r.Header[name]...)
		}
		return strings.Join(values, "|")
	}
}

// L10: the endpoint may be HTTPS, HTTP/2 included.
func TestBehindTLS(t *testing.T) {
	t.Parallel()
	one := startReplica(t, 1, "secret", nil)
	b := New(Options{})
	b.SetBackends([]Backend{one.Backend})
	front := httptest.NewUnstartedServer(b)
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)

	resp, err := front.Client().Get(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "secret" || resp.ProtoMajor != 2 {
		t.Errorf("got %q over %s", body, resp.Proto)
	}
	if _, err := try(t.Context(), newClient(t), "GET", front.URL, ""); err == nil {
		t.Error("a certificate that nobody knows was accepted")
	}
	if got := do(t, "GET", "http://"+front.Listener.Addr().String(), ""); got.status == 200 || got.body == "secret" {
		t.Errorf("plain HTTP was answered: %d %q", got.status, got.body)
	}
}

func TestResponsesArePassedOnAsTheyCame(t *testing.T) {
	t.Parallel()
	one := startReplica(t, 1, "", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("Keep-Alive", "timeout=5")
		send(w, "text")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "43")
	})
	_, front := startFront(t, Options{}, one.Backend)
	resp, err := newClient(t).Get(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "text" || err != nil {
		t.Errorf("got body %q, %v", body, err)
	}
	if got := resp.Header.Values("Set-Cookie"); len(got) != 2 {
		t.Errorf("got cookies %q", got)
	}
	if got := resp.Header.Get("Keep-Alive"); got != "" {
		t.Errorf("the replica's connection is told of: %q", got)
	}
	if resp.Trailer.Get("X-Sum") != "42" || resp.Trailer.Get("X-Late") != "43" {
		t.Errorf("got trailers %v", resp.Trailer)
	}
}

func TestHeadHasALengthAndNoBody(t *testing.T) {
	t.Parallel()
	one := startReplica(t, 1, "", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000000") })
	b, front := startFront(t, Options{}, one.Backend)
	for range 2 {
		got := do(t, "HEAD", front.URL, "")
		if got.status != 200 || got.header.Get("Content-Length") != "1000000" || got.body != "" {
			t.Errorf("got %d, %v, %q", got.status, got.header, got.body)
		}
	}
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
}

// L9. Each chunk has to be with the client before the next one is made.
func TestStreamsArePassedOnAtOnce(t *testing.T) {
	t.Parallel()
	for _, header := range [][2]string{
		{"Content-Type", "text/event-stream"},
		{"Content-Type", "application/octet-stream"},
		{"Content-Length", fmt.Sprint(len("data: 0\n\n") * 20)},
	} {
		t.Run(header[0]+" "+header[1], func(t *testing.T) {
			t.Parallel()
			next := make(chan struct{})
			one := startReplica(t, 1, "", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(header[0], header[1])
				w.WriteHeader(200)
				send(w, "")
				for i := range 20 {
					select {
					case <-next:
					case <-r.Context().Done():
						return
					}
					send(w, fmt.Sprintf("data: %d\n\n", i%10))
				}
			})
			_, front := startFront(t, Options{}, one.Backend)
			resp, err := newClient(t).Get(front.URL) // returns although there is no first byte yet
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			lines := bufio.NewReader(resp.Body)
			for i := range 20 {
				next <- struct{}{}
				line, _ := lines.ReadString('\n')
				empty, err := lines.ReadString('\n')
				if line+empty != fmt.Sprintf("data: %d\n\n", i%10) || err != nil {
					t.Fatalf("chunk %d: got %q, %v", i, line+empty, err)
				}
			}
			if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
				t.Errorf("after the last chunk came %q, %v", rest, err)
			}
		})
	}
}

// L8, first half: in the middle of a stream.
func TestAClientThatLeavesEndsTheReplicasWork(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	one := startReplica(t, 1, "", func(w http.ResponseWriter, r *http.Request) {
		send(w, "first")
		<-r.Context().Done()
		close(gone)
	})
	var reported failures
	b, front := startFront(t, Options{OnFailure: reported.add}, one.Backend)
	ctx, leave := context.WithCancel(t.Context())
	q, _ := http.NewRequestWithContext(ctx, "POST", front.URL, strings.NewReader("{}"))
	resp, err := newClient(t).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n := b.InFlight(1); n != 1 {
		t.Errorf("%d in flight during the stream", n)
	}
	leave()
	<-gone
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
	if len(reported.ids) != 0 {
		t.Errorf("backends %v were blamed: %v", reported.ids, reported.err)
	}
}

// A short answer that breaks off is had from another backend, as the client has
// nothing of it yet: if it may be asked for twice.
func TestAShortAnswerThatBreaksOffIsHadFromAnother(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, method, answer string
		status               int
	}{
		{"after its head", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 200},
		{"half-way", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 200},
		{"of a shape of its own", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nhalf", 200},
		{"of a POST", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
				next()
				say(conn, row.answer)
			})
			two := startReplica(t, 2, "two", nil)
			var reported failures
			_, front := startFront(t, Options{Settings: Settings{Policy: "round_robin"}, OnFailure: reported.add}, two.Backend, one.Backend)
			got, err := try(t.Context(), newClient(t), row.method, front.URL, "")
			if row.status == 0 && err == nil || row.status != 0 && (err != nil || got.status != row.status || got.body != "two") {
				t.Errorf("got %d %q, %v", got.status, got.body, err)
			}
			if reported.count(1) != 1 {
				t.Errorf("failures reported of %v, want once of 1", reported.ids)
			}
		})
	}
}

// deadlines notes whether a client was cut off.
type deadlines struct {
	http.ResponseWriter
	cut bool
}

func (d *deadlines) SetWriteDeadline(time.Time) error { d.cut = true; return nil }

// Who has a whole answer coming is not cut off because its replica is taken away
// just now; who has a part of one is, as there will be no more.
func TestAWholeAnswerOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, answer string
		cut          bool
	}{
		{"short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false},
		{"of another shape", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", false},
		{"without a body", "HTTP/1.1 204 No Content\r\n\r\n", false},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true},
		{"long", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello", true},
	} {
		one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
			next()
			say(conn, row.answer)
			next() // the connection stays
		})
		b := New(Options{})
		b.SetBackends([]Backend{one.Backend})
		client := &deadlines{ResponseWriter: httptest.NewRecorder()}
		x := b.newExchange(client, httptest.NewRequest(http.MethodGet, "/", nil))
		if _, err := x.ask(); err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		b.Abort(1)
		if client.cut != row.cut {
			t.Errorf("%s: the client was cut off: %v, want %v", row.name, client.cut, row.cut)
		}
		x.finish()
	}
}

// What does not come in one piece is passed on as it comes.
func TestAnAnswerThatTakesItsTimeIsNotHeldBack(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		next()
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
		<-more
		say(conn, "more")
		next()
	})
	_, front := startFront(t, Options{}, one.Backend)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newClient(t).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	half := make([]byte, 4)
	if _, err := io.ReadFull(resp.Body, half); err != nil || string(half) != "half" {
		t.Errorf("got %q, %v", half, err)
	}
	close(more)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "more" {
		t.Errorf("then %q, %v", rest, err)
	}
}

func TestAResponseThatBreaksOffBreaksOffForTheClient(t *testing.T) {
	t.Parallel()
	one := startRaw(t, 1, func(conn net.Conn, next func() *http.Request) {
		next()
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf")
	})
	two := startReplica(t, 2, "", nil)
	var reported failures
	b, front := startFront(t, Options{Settings: Settings{Policy: "round_robin"}, OnFailure: reported.add}, two.Backend, one.Backend)
	got, err := try(t.Context(), newClient(t), "GET", front.URL, "")
	if err == nil {
		t.Errorf("got %d %q as if it were whole", got.status, got.body)
	}
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
	if two.hits.Load() != 0 {
		t.Error("a request that was answered in part was repeated")
	}
	if reported.count(1) != 1 {
		t.Errorf("failures reported of %v, want once of 1", reported.ids)
	}
}

// The replica has the beginning of the body before the client has sent the end.
func TestBodiesAreStreamedNotBuffered(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	began := make(chan struct{})
	one := startReplica(t, 1, "", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		pass(sum, io.LimitReader(r.Body, 5))
		close(began)
		n, _ := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x", n+5, sum.Sum(nil))
	})
	_, front := startFront(t, Options{}, one.Backend)
	reader, writer := io.Pipe()
	sum := sha256.New()
	go func() {
		both := io.MultiWriter(writer, sum)
		say(both, "begin")
		<-began
		pass(both, io.LimitReader(zeros{}, size-5))
		writer.Close()
	}()
	resp, err := newClient(t).Post(front.URL, "application/octet-stream", reader)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != fmt.Sprintf("%d %x", size, sum.Sum(nil)) {
		t.Errorf("the replica got %s", body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A replica may answer before it has read the request, as for a body that is
// too large; the client need not send the rest.
func TestAnAnswerBeforeTheEndOfTheRequest(t *testing.T) {
	t.Parallel()
	one := startReplica(t, 1, "", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		say(w, "too large")
	})
	b, front := startFront(t, Options{}, one.Backend)
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 413 || string(body) != "too large" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	until(t, "nothing is in flight", func() bool { return b.InFlight(1) == 0 })
}

// The replica decides whether the body is to be sent.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	one := startReplica(t, 1, "", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		body, _ := io.ReadAll(r.Body)
		say(w, string(body))
	})
	_, front := startFront(t, Options{}, one.Backend)
	for _, row := range []struct {
		path string
		want []int
	}{
		{"/yes", []int{100, 200}},
		{"/no", []int{403}},
	} {
		conn, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", row.path)
		reader := textproto.NewReader(bufio.NewReader(conn))
		var got []int
		for len(got) == 0 || got[len(got)-1] == http.StatusContinue {
			line, err := reader.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := reader.ReadMIMEHeader(); err != nil {
				t.Fatal(err)
			}
			var status int
			if _, err := fmt.Sscanf(line, "HTTP/1.1 %d ", &status); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if status == http.StatusContinue && len(got) == 0 {
				say(conn, "hello")
			}
			got = append(got, status)
		}
		// The server may say 100 itself when the replica's is on its way.
		if got = slices.Compact(got); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", row.path, got, row.want)
		}
	}
}

func TestEarlyHintsArePassedOn(t *testing.T) {
	t.Parallel()
	one := startReplica(t, 1, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		say(w, "page")
	})
	_, front := startFront(t, Options{}, one.Backend)
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 103 ") {
		t.Errorf("got %q, %v", line, err)
	}
}
