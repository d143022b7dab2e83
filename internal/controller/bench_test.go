// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
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
