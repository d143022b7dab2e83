// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/metrics"
	"github.com/serve-infra/terraform-provider-serve/internal/page"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// page serves the status page of a service until it is interrupted.
func (p *Program) page(ctx context.Context, args []string) error {
	f := newFlags("page")
	listen := f.String("listen", "127.0.0.1:0", "")
	public := f.Bool("public", false, "")
	names, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	private := page.IsLoopback(*listen)
	if !private && !*public {
		return usageError{fmt.Sprintf("the page has no login, and others may reach %s; --public serves it there all the same", *listen)}
	}
	find := func(ctx context.Context) (serve.Client, error) {
		client, _, err := p.find(ctx, f.place(), names[0])
		return client, err
	}
	if _, err := find(ctx); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", page.New(names[0], find))
	mux.Handle("GET /metrics", metrics.Handler(p.Version, func() (samples []metrics.Sample, leads bool) {
		client, err := find(ctx)
		if err != nil {
			return nil, false
		}
		s, err := client.Service(ctx)
		if err != nil {
			return nil, false
		}
		return []metrics.Sample{{Name: names[0], Service: &s}}, true
	}))
	var handler http.Handler = mux
	if private {
		handler = page.OnlyLoopback(handler)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening for browsers: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		// A browser that follows the service goes on for as long as it is let.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	fmt.Fprintf(p.Stdout, "The page of %s is at http://%s/ until this is interrupted.\n", names[0], listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the page: %w", err)
	}
	return nil
}
