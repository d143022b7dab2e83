// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// quiet is a serve.Client whose Watch tells one thing and then nothing, until
// nobody listens.
type quiet struct {
	serve.Client
	ended chan struct{} // closed when the Watch has ended
}

func (q quiet) Watch(ctx context.Context, tell func(serve.Service) bool) error {
	defer close(q.ended)
	if !tell(serve.Service{}) {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (q quiet) PutBundle(_ context.Context, _ string, content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return err
}

// serve runs the controller.
func (q quiet) serve(l net.Listener) {
	server := &http.Server{Handler: NewHandler(q, "token", slog.New(slog.DiscardHandler))}
	_ = server.Serve(l) // until the listener is closed
	_ = server.Close()
}

func TestHeartbeatsKeepAQuietWatchAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := quiet{ended: make(chan struct{})}
		n := join(t, q.serve)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := n.client.Watch(ctx, func(serve.Service) bool {
			<-time.After(2 * silence) // the caller may take longer than a peer may
			return true
		})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, serve.ErrUnreachable) {
			t.Errorf("Watch: %v, want it to last until its context ended", err)
		}
		<-q.ended
	})
}

func TestASilentControllerIsUnreachable(t *testing.T) {
	begin := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, says := range map[string]string{
		"before it answers": "",
		"in mid stream":     begin + "d\r\n{\"service\":{}\r\n",
		"between frames":    begin + "f\r\n{\"service\":{}}\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := join(t, func(l net.Listener) {
					conn, err := l.Accept()
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					_, readErr := http.ReadRequest(bufio.NewReader(conn))
					_, writeErr := io.WriteString(conn, says)
					if err := errors.Join(readErr, writeErr); err != nil {
						t.Error(err)
					}
					_, _ = io.Copy(io.Discard, conn) // until the client goes away
				})
				begin := time.Now()
				err := n.client.Watch(t.Context(), func(serve.Service) bool { return true })
				if !errors.Is(err, serve.ErrUnreachable) || !strings.Contains(err.Error(), "silent for 45s") {
					t.Errorf("Watch: %v, want ErrUnreachable for silence", err)
				}
				if waited := time.Since(begin); waited != silence {
					t.Errorf("it took %v to notice, want %v", waited, silence)
				}
			})
		})
	}
}

func TestAClientThatTakesNothingMoreEndsItsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := quiet{ended: make(chan struct{})}
		conn := join(t, q.serve).dialTLS(t)
		begin := time.Now()
		if _, err := io.WriteString(conn, "GET /v1/service/watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		// It reads the first of what it is told and then no more, without a word.
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Fatal(err)
		}
		<-q.ended
		if took := time.Since(begin); took > heartbeat+pause {
			t.Errorf("the controller went on for %v, want %v at most", took, heartbeat+pause)
		}
	})
}

func TestASlowBundleIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, parts := join(t, quiet{}.serve), 3
		err := n.client.PutBundle(t.Context(), "sha256:00", readFunc(func(p []byte) (int, error) {
			if parts--; parts < 0 {
				return 0, io.EOF
			}
			<-time.After(2 * silence)
			return copy(p, "content"), nil
		}))
		if err != nil {
			t.Errorf("PutBundle: %v, though only the content was slow", err)
		}
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
