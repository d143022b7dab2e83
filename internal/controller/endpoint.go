// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Endpoint is the one address at which clients reach the service. It speaks
// HTTP, or HTTPS while it has a certificate; which of the two may change while
// it serves, for connections made from then on.
type Endpoint struct {
	// Patience is what requests under way get when the endpoint is closed.
	Patience time.Duration

	listener net.Listener
	host     string
	tls      atomic.Pointer[tls.Config]
}

// Listen opens an endpoint. Host is the name or address clients use to reach
// it; empty is the address listened on.
func Listen(ctx context.Context, address, host string) (*Endpoint, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("opening the endpoint %q: %w", address, err)
	}
	e := &Endpoint{Patience: time.Second, listener: listener, host: listener.Addr().String()}
	if host != "" {
		_, port, err := net.SplitHostPort(e.host)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("reading the endpoint's port: %w", err), listener.Close())
		}
		e.host = net.JoinHostPort(host, port)
	}
	return e, nil
}

// Addr is the address listened on, "host:port".
func (e *Endpoint) Addr() string { return e.listener.Addr().String() }

// URL is where clients reach the service.
func (e *Endpoint) URL() string {
	if e.tls.Load() != nil {
		return "https://" + e.host
	}
	return "http://" + e.host
}

// SetTLS makes the endpoint speak HTTPS with a certificate, or HTTP for nil.
func (e *Endpoint) SetTLS(t *serve.TLS) error {
	if t == nil {
		e.tls.Store(nil)
		return nil
	}
	certificate, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key))
	if err != nil {
		return fmt.Errorf("reading the endpoint's certificate: %w", err)
	}
	e.tls.Store(&tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{certificate},
	})
	return nil
}

// Close stops listening.
func (e *Endpoint) Close() error { return e.listener.Close() }

// serve answers requests until ctx ends, and returns when those under way have
// ended too, or e.Patience is over.
func (e *Endpoint) serve(ctx context.Context, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// HTTP/2 is agreed on within TLS, which is decided for each connection.
		TLSConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12},
	}
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(finished)
		bye, cancel := context.WithTimeout(context.Background(), e.Patience)
		defer cancel()
		if server.Shutdown(bye) != nil {
			server.Close()
		}
	})
	err := server.Serve(&dualListener{Listener: e.listener, tls: &e.tls})
	if stop() {
		return fmt.Errorf("serving the endpoint %s: %w", e.Addr(), err)
	}
	<-finished // Serve returns when Shutdown begins, not when it is done
	return nil
}

// dualListener wraps accepted connections in TLS while there is a certificate.
type dualListener struct {
	net.Listener
	tls *atomic.Pointer[tls.Config]
}

// Accept waits for the next connection.
func (d *dualListener) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if config := d.tls.Load(); config != nil {
		return tls.Server(conn, config), nil
	}
	return conn, nil
}
