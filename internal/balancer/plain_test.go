// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func readPlain(answer string) (*plain, bool) {
	p := &plain{}
	return p, p.read(&conn{reader: bufio.NewReader(strings.NewReader(answer))})
}

func TestWhichAnswersArePlain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, answer string
		plain        bool
	}{
		{"a length and a body", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true},
		{"no reason", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", true},
		{"a connection that is kept", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n", true},
		{"a connection that is not", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", false},
		{"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", false},
		{"a length beyond all lengths", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", false},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", false},
		{"a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", false},
		{"a line that is folded", "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\nContent-Length: 2\r\n\r\nok", false},
		{"a line feed alone", "HTTP/1.1 200 OK\r\nA: b\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok", false},
		{"a line without a colon", "HTTP/1.1 200 OK\r\nwhat\r\nContent-Length: 2\r\n\r\nok", false},
		{"an old server", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false},
		{"not the last word", "HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nok", false},
		{"no body by its status", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", false},
		{"the beginning of a head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", false},
		{"nothing", "", false},
	} {
		if _, got := readPlain(row.answer); got != row.plain {
			t.Errorf("%s: plain is %v", row.name, got)
		}
	}
}

// What is read as plain is read as [http.ReadResponse] reads it.
func TestAPlainAnswerIsReadAsAnyOther(t *testing.T) {
	t.Parallel()
	line := rapid.SampledFrom([]string{
		"Content-Length: 2", "Content-Length: 3", "content-length:1", "Content-Length: 02", "Content-Length: 2, 2", "Content-Length:",
		"Transfer-Encoding: chunked", "Trailer: A", "Connection: Keep-Alive", "Connection: close", "A: b", "a:\tc ", "A:", "Set-Cookie: x=1; y",
		" folded: x", "B : c", "no colon", ": no name", "\xff: x", "X: \xff", "X: \x00", "X: a\rb", "",
	})
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom([]string{
			"HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.1 500 a b", "HTTP/1.1 099 x", "HTTP/1.1 2000 x", "HTTP/2.0 200 OK", "X",
		}).Draw(t, "status")
		answer := status + "\r\n" + strings.Join(rapid.SliceOfN(line, 0, 5).Draw(t, "lines"), "\r\n") + "\r\n\r\n" +
			rapid.SampledFrom([]string{"", "o", "ok", "ok!", "ok!!!"}).Draw(t, "body")
		p, ok := readPlain(answer)
		if !ok {
			return
		}
		got, gotErr := io.ReadAll(p.Body)
		other, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
		if err != nil {
			t.Fatalf("%q is malformed, and yet was read: %v", answer, err)
		}
		want, wantErr := io.ReadAll(other.Body)
		other.Header.Del("Connection")
		if p.StatusCode != other.StatusCode || string(got) != string(want) || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%q: got %d %q %v, want %d %q %v", answer, p.StatusCode, got, gotErr, other.StatusCode, want, wantErr)
		}
		if diff := cmp.Diff(other.Header, p.Header); diff != "" {
			t.Fatalf("%q: fields (-want +got):\n%s", answer, diff)
		}
	})
}

func TestAPlainAnswerAllocatesLittle(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
	source, p, body := strings.NewReader(answer), &plain{}, make([]byte, 8)
	c := &conn{reader: bufio.NewReader(source)}
	n := testing.AllocsPerRun(100, func() {
		source.Reset(answer)
		c.reader.Reset(source)
		if !p.read(c) {
			t.Fatal("not plain")
		}
		if n, err := p.Body.Read(body); n != 2 || err != io.EOF {
			t.Fatal(n, err)
		}
	})
	if n > 2 { // the text of the head, and the list of values
		t.Errorf("%v allocations", n)
	}
}
