// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package acme has certificates for an endpoint issued by an authority that speaks
// ACME (RFC 8555), such as Let's Encrypt, and renewed in time.
//
// [New] gives the TLS configuration of an endpoint. The first connection for a
// domain waits until the authority has issued its certificate, which takes seconds;
// from then on there is one, and it is renewed when a third of its life is left, or
// thirty days. The authority convinces itself that the domain leads to the endpoint
// by a connection of its own to port 443 of it (TLS-ALPN-01, RFC 8737), which is
// answered by the same configuration.
//
// What was issued is kept in a [Cache], with its private key and the key of the
// account: an endpoint that starts again has it at once, and several copies of an
// endpoint that share a cache share their certificates, too, and can answer for one
// another. When they need one for the first time at the same moment, each may have
// one issued.
//
// Only connections for the domains that were named are answered; the others cost
// neither the authority nor the cache anything.
package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Options say how certificates are had, and where they are kept.
type Options struct {
	serve.ACME
	Cache Cache
	// Transport makes requests to the authority; nil is the usual one.
	Transport http.RoundTripper
	// Log is told of certificates that could not be had.
	Log *slog.Logger
}

// patience is for how long a single request to an authority may take.
const patience = 30 * time.Second

// New gives the configuration of an endpoint whose certificates are had as o says,
// until ctx ends: from then on the authority is asked for nothing more.
func New(ctx context.Context, o Options) *tls.Config {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.DirectoryURL == "" {
		o.DirectoryURL = autocert.DefaultACMEDirectory
	}
	m := &autocert.Manager{
		Prompt:     func(string) bool { return o.AgreeToTerms },
		Cache:      kept{o.Cache},
		HostPolicy: autocert.HostWhitelist(o.Domains...),
		Email:      o.Email,
		Client: &acme.Client{
			DirectoryURL: o.DirectoryURL,
			UserAgent:    "terraform-provider-serve",
			HTTPClient:   &http.Client{Transport: until{ctx, o.Transport}, Timeout: patience},
		},
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1", acme.ALPNProto},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
			if !slices.Contains(o.Domains, name) {
				return nil, fmt.Errorf("there is no certificate for %q", name)
			}
			certificate, err := m.GetCertificate(hello)
			if err != nil && ctx.Err() == nil {
				o.Log.WarnContext(ctx, "a certificate could not be had", "domain", name, "error", err)
			}
			return certificate, err
		},
	}
}

// until makes requests until its context ends.
type until struct {
	ctx  context.Context
	next http.RoundTripper
}

// RoundTrip makes a request.
func (u until) RoundTrip(r *http.Request) (*http.Response, error) {
	if u.ctx.Err() != nil {
		return nil, errors.New("certificates are had in another way meanwhile")
	}
	return u.next.RoundTrip(r)
}
