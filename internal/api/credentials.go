// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// serverName is the name every controller's certificate has. Clients ask for
	// this name wherever the controller is, as its address may change.
	serverName = "controller.serve.internal"
	// validity is for how long a certificate is good. It is never renewed while a
	// controller lives, and ends with it.
	validity = 30 * 365 * 24 * time.Hour
	// clockSkew is by how much a client's clock may be behind.
	clockSkew = 24 * time.Hour

	tokenBytes  = 32
	serialBits  = 127
	typeCert    = "CERTIFICATE"
	typeKey     = "PRIVATE KEY"
	minProtocol = tls.VersionTLS13
)

// NewCredentials makes the credentials of a service's controller: a random
// token, and a certificate that no authority has signed but itself.
func NewCredentials(service string) (serve.Credentials, error) {
	c, err := newCredentials(service, time.Now())
	if err != nil {
		return serve.Credentials{}, fmt.Errorf("making credentials for service %q: %w", service, err)
	}
	return c, nil
}

func newCredentials(service string, now time.Time) (serve.Credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return serve.Credentials{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return serve.Credentials{}, err
	}
	// It is not an authority: whoever got hold of the key could be this
	// controller, but could not make certificates that its clients accept.
	template := x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "controller of " + service},
		DNSNames:              []string{serverName},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return serve.Credentials{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return serve.Credentials{}, err
	}
	var token [tokenBytes]byte
	rand.Read(token[:]) // which ends the program rather than fail
	return serve.Credentials{
		Token:       base64.RawURLEncoding.EncodeToString(token[:]),
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: typeCert, Bytes: certificate})),
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: private})),
	}, nil
}

// ServerTLS gives the TLS configuration of a controller.
func ServerTLS(c serve.Credentials) (*tls.Config, error) {
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("reading the controller's certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: minProtocol}, nil
}

// ClientTLS gives the TLS configuration of a client that accepts the one
// certificate and no other.
func ClientTLS(certificate string) (*tls.Config, error) {
	only := x509.NewCertPool()
	if !only.AppendCertsFromPEM([]byte(certificate)) {
		return nil, fmt.Errorf("reading the controller's certificate: %w: there is none in PEM", serve.ErrInvalid)
	}
	return &tls.Config{RootCAs: only, ServerName: serverName, MinVersion: minProtocol}, nil
}
