// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/metrics"
	"github.com/serve-infra/terraform-provider-serve/internal/page"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// statusPage is what browsers are shown of a service, and Prometheus.
func (p *Program) statusPage(ctx context.Context, service string, find func(context.Context) (serve.Client, error)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", page.New(service, find))
	mux.Handle("GET /metrics", metrics.Handler(p.Version, func() (samples []metrics.Sample, leads bool) {
		client, err := find(ctx)
		if err != nil {
			return nil, false
		}
		s, err := client.Service(ctx)
		if err != nil {
			return nil, false
		}
		return []metrics.Sample{{Name: service, Service: &s}}, true
	}))
	return mux
}

// servePage answers browsers until ctx ends.
func servePage(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		// A browser that follows the service goes on for as long as it is let.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the page: %w", err)
	}
	return nil
}

// openPage opens the address that the page of a service had before, so that it can
// be bookmarked, or any other on loopback: unlike that of the endpoint, nobody
// depends on it.
func openPage(ctx context.Context, claim *local.Claim) (net.Listener, error) {
	before, err := claim.Published()
	if err != nil && !errors.Is(err, serve.ErrNotFound) {
		return nil, err
	}
	const anywhere = "127.0.0.1:0"
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(before.Page, anywhere))
	if err != nil {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", anywhere)
	}
	if err != nil {
		return nil, fmt.Errorf("listening for browsers: %w", err)
	}
	return listener, nil
}
