// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// serving gives a furnished machine whose server the test is: it handles every
// connection to the service's port.
func serving(t *testing.T, handle func(*net.TCPConn)) (*rig, *Client) {
	t.Helper()
	r := newRig(t, time.Hour)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go handle(conn.(*net.TCPConn))
		}
	}()
	r.agent()
	c := r.client()
	s := r.supplies("exec sleep 60")
	s.Order.Port = l.Addr().(*net.TCPAddr).Port
	r.furnish(c, s)
	return r, c
}

func dial(r *rig, c *Client) net.Conn {
	r.Helper()
	conn, err := c.Dial(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close() })
	return conn
}

// What one side says reaches the other while that still speaks itself, and that
// it says no more is heard too, in both directions.
func TestATunnelCarriesBothWays(t *testing.T) {
	sent := make([]byte, 8<<20)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(sent)
	got := make(chan []byte, 1)
	r, c := serving(t, func(conn *net.TCPConn) {
		defer conn.Close()
		all, err := io.ReadAll(io.TeeReader(conn, conn)) // it answers as it hears
		if err == nil {
			_, err = io.WriteString(conn, "that was all")
		}
		if err != nil {
			all = []byte(err.Error())
		}
		got <- all
	})
	conn := dial(r, c)
	go func() {
		if _, err := conn.Write(sent); err != nil {
			t.Error(err)
		}
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
	}()
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(<-got, sent) {
		t.Error("the server has heard something else than was said")
	}
	if !bytes.Equal(answer, slices.Concat(sent, []byte("that was all"))) {
		t.Errorf("the answer has %d bytes and is another one than was given", len(answer))
	}
}

// A piece of a stream is passed on when it is there and not when there is more.
func TestATunnelDoesNotHoldBack(t *testing.T) {
	r, c := serving(t, func(conn *net.TCPConn) {
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	})
	conn := dial(r, c)
	for _, piece := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(conn, piece); err != nil {
			t.Fatal(err)
		}
		heard := make([]byte, len(piece))
		if _, err := io.ReadFull(conn, heard); err != nil || string(heard) != piece {
			t.Fatalf("%q comes back as %q: %v", piece, heard, err)
		}
	}
}

// An answer that breaks off must not look whole.
func TestATunnelBreaksOffWithTheServer(t *testing.T) {
	r, c := serving(t, func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, "half of")
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.SetLinger(0)
		_ = conn.Close()
	})
	conn := dial(r, c)
	if _, err := io.WriteString(conn, "?"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(conn); err == nil {
		t.Errorf("a server that has broken off seems to have ended in order with %q", text)
	}
}

// A client that breaks off is no client that has said all it had to say.
func TestATunnelBreaksOffWithTheClient(t *testing.T) {
	got := make(chan error, 1)
	r, c := serving(t, func(conn *net.TCPConn) {
		defer conn.Close()
		_, err := io.ReadAll(conn)
		got <- err
	})
	conn := dial(r, c)
	if _, err := io.WriteString(conn, "half of"); err != nil {
		t.Fatal(err)
	}
	conn.(interface{ NetConn() net.Conn }).NetConn().Close()
	select {
	case err := <-got:
		if err == nil {
			t.Error("a client that has broken off seems to have ended in order")
		}
	case <-r.ctx.Done():
		t.Error("the server was not told")
	}
}

// An HTTP client that goes through tunnels has bodies streamed both ways.
func TestRequestsGoThroughTunnels(t *testing.T) {
	server := http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := errors.Join(control.EnableFullDuplex(), control.Flush()); err != nil {
			t.Error(err)
		}
		for heard := make([]byte, 16); ; {
			n, err := r.Body.Read(heard)
			_, _ = w.Write(bytes.ToUpper(heard[:n]))
			if errors.Join(err, control.Flush()) != nil {
				return
			}
		}
	})}
	l := &line{conns: make(chan net.Conn)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { close(l.conns); server.Close() })
	r, c := serving(t, func(conn *net.TCPConn) { l.conns <- conn })
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.Dial(ctx) }}
	defer transport.CloseIdleConnections()
	body, say := io.Pipe()
	req, err := http.NewRequestWithContext(r.ctx, http.MethodPost, "http://replica/", body)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"hello", "again", "and again"}
	spoken := make(chan struct{}, len(words))
	spoken <- struct{}{}
	go func() {
		// Before anything is said the client does not even begin.
		for _, word := range words {
			<-spoken
			_, _ = io.WriteString(say, word)
		}
	}()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, word := range words {
		heard := make([]byte, len(word))
		if _, err := io.ReadFull(res.Body, heard); err != nil || string(heard) != strings.ToUpper(word) {
			t.Fatalf("%q comes back as %q: %v", word, heard, err)
		}
		spoken <- struct{}{}
	}
	say.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("the answer ends with %q: %v", rest, err)
	}
}

// There is no tunnel to where nobody listens, which says nothing against the machine.
func TestThereIsNoTunnelToNothing(t *testing.T) {
	for name, prepare := range map[string]func(*rig, *Client){
		"no program yet": func(r *rig, _ *Client) { python(r.T); r.unit() },
		"no order yet":   func(r *rig, _ *Client) { r.agent() },
		"no server yet":  func(r *rig, c *Client) { r.agent(); r.furnish(c, r.quiet()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, time.Hour)
			c := r.client()
			prepare(r, c)
			r.eventually("the machine answers", func() bool { _, err := c.State(r.ctx); return err == nil })
			conn, err := c.Dial(r.ctx)
			if err == nil {
				conn.Close()
			}
			if !errors.Is(err, serve.ErrUnreachable) {
				t.Errorf("Dial gives %v, want %v", err, serve.ErrUnreachable)
			}
		})
	}
}

// quiet are the supplies of a machine that serves nothing at its port.
func (r *rig) quiet() Supplies {
	s := r.supplies("exec sleep 60")
	_, port, _ := net.SplitHostPort(freePort(r.T))
	s.Order.Port, _ = net.LookupPort("tcp", port)
	return s
}
