// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
)

// TestServeForBench is no test but the endpoint by itself, for measurements
// from outside such as those of `make bench-proxy`. It listens where
// SERVE_BENCH_LISTEN says, in front of the addresses in SERVE_BENCH_BACKENDS,
// until it is interrupted.
func TestServeForBench(t *testing.T) {
	listen := os.Getenv("SERVE_BENCH_LISTEN")
	if listen == "" {
		t.Skip("SERVE_BENCH_LISTEN does not say where to listen")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	endpoint, err := Listen(ctx, listen, "")
	if err != nil {
		t.Fatal(err)
	}
	b := balancer.New(balancer.Options{})
	var backends []balancer.Backend
	for i, address := range strings.Fields(os.Getenv("SERVE_BENCH_BACKENDS")) {
		backends = append(backends, balancer.Backend{ID: int64(i), Address: address})
	}
	b.SetBackends(backends)
	fmt.Println("serving at", endpoint.URL())
	if err := endpoint.serve(ctx, b, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

// TestStreamsForBench is the other side of it: the backend at
// SERVE_BENCH_BACKENDS, and clients who open SERVE_BENCH_STREAMS event streams
// at the endpoint SERVE_BENCH_LISTEN, take the first event of each, and wait
// until they are interrupted.
func TestStreamsForBench(t *testing.T) {
	streams, err := strconv.Atoi(os.Getenv("SERVE_BENCH_STREAMS"))
	if err != nil {
		t.Skip("SERVE_BENCH_STREAMS does not say how many")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", os.Getenv("SERVE_BENCH_BACKENDS"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n"
		for request := make([]byte, 4096); ; {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if _, err := conn.Read(request); err == nil {
				_, _ = io.WriteString(conn, answer)
			}
		}
	}()
	for received := make([]byte, 4096); streams > 0; streams-- {
		conn, err := net.Dial("tcp", os.Getenv("SERVE_BENCH_LISTEN"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
		for n := 0; !strings.Contains(string(received[:n]), "data: x"); {
			more, err := conn.Read(received[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += more
		}
	}
	fmt.Println("streaming")
	<-ctx.Done()
}
