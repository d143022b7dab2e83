// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The protocols that a connection to an agent may be for, by their names in ALPN.
const (
	protocolHTTP   = "http/1.1"
	protocolTunnel = "serve-tunnel"
)

// serverTLS gives the TLS configuration of an agent, which shows what identity
// gives and talks to the holder of one key alone.
func serverTLS(controller ed25519.PublicKey, identity func() *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		NextProtos:     []string{protocolHTTP, protocolTunnel},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return identity(), nil },
		// Nobody has signed it but itself. What counts is whose key it is.
		ClientAuth: tls.RequireAnyClientCert,
		VerifyConnection: func(s tls.ConnectionState) error {
			if key := peerKey(s); key == nil || !controller.Equal(key) {
				return fmt.Errorf("%w: only its controller may talk to the machine", serve.ErrUnauthorized)
			}
			return nil
		},
		// They would save nothing: connections are few, and last.
		SessionTicketsDisabled: true,
	}
}

// clientTLS gives the TLS configuration of a client, which shows a certificate
// and talks to whom accept allows.
func clientTLS(own tls.Certificate, protocol string, accept func(ed25519.PublicKey) error) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{protocol},
		Certificates: []tls.Certificate{own},
		// Both ends know the one key there is to be shown, so that neither names nor
		// authorities matter: VerifyConnection looks at every connection.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			key := peerKey(s)
			if key == nil {
				return errors.New("what answers shows no Ed25519 key")
			}
			return accept(key)
		},
	}
}

// peerKey gives the key that the other end has proven to have, nil when it is of
// another kind than all of ours.
func peerKey(s tls.ConnectionState) ed25519.PublicKey {
	if len(s.PeerCertificates) == 0 {
		return nil
	}
	key, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil
	}
	return key
}

// publicKey gives the key of one of our own certificates.
func publicKey(c tls.Certificate) ed25519.PublicKey {
	key, _ := c.Leaf.PublicKey.(ed25519.PublicKey) // all of ours are
	return key
}
