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
	"reflect"
	"sync"
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
	// Certify gives what has certificates issued by an authority, until ctx ends; nil
	// if none can be.
	Certify func(ctx context.Context, how serve.ACME) (*tls.Config, error)

	listener net.Listener
	host     string
	tls      atomic.Pointer[tls.Config]

	mu sync.Mutex // guards what follows
	// issued is how the present certificates are had, nil if they are not issued,
	// and stop ends it.
	issued *serve.ACME
	stop   context.CancelFunc
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

// SetTLS makes the endpoint speak HTTPS with a certificate, given or issued, or HTTP
// for nil.
func (e *Endpoint) SetTLS(t *serve.TLS) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t != nil && t.ACME != nil && e.issued != nil && reflect.DeepEqual(*t.ACME, *e.issued) {
		return nil // it knows what was issued already
	}
	ctx, cancel := context.WithCancel(context.Background())
	config, err := e.configOf(ctx, t)
	if err != nil {
		cancel()
		return err
	}
	if e.stop != nil {
		e.stop()
	}
	e.stop, e.issued = cancel, nil
	if t != nil {
		e.issued = t.ACME
	}
	e.tls.Store(config)
	return nil
}

// configOf gives the configuration for what is asked, nil for HTTP.
func (e *Endpoint) configOf(ctx context.Context, t *serve.TLS) (*tls.Config, error) {
	switch {
	case t == nil:
		return nil, nil
	case t.ACME != nil && e.Certify == nil:
		return nil, fmt.Errorf("having the endpoint's certificate issued: nobody is known who could: %w", serve.ErrInvalid)
	case t.ACME != nil:
		return e.Certify(ctx, *t.ACME)
	}
	certificate, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key))
	if err != nil {
		return nil, fmt.Errorf("reading the endpoint's certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{certificate},
	}, nil
}

// Close stops listening, and having certificates issued.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop != nil {
		e.stop()
	}
	return e.listener.Close()
}

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
