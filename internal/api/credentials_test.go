// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func credentials(t *testing.T, now time.Time) serve.Credentials {
	t.Helper()
	c, err := newCredentials("http", now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCredentialsAreNewEachTime(t *testing.T) {
	a, b := credentials(t, time.Now()), credentials(t, time.Now())
	if a.Token == b.Token || a.Certificate == b.Certificate || a.Key == b.Key {
		t.Error("two controllers share something")
	}
	if token, err := base64.RawURLEncoding.DecodeString(a.Token); err != nil || len(token) != 32 {
		t.Errorf("the token has %d bytes: %v", len(token), err)
	}
}

func TestCertificate(t *testing.T) {
	block, rest := pem.Decode([]byte(credentials(t, time.Now()).Certificate))
	if len(rest) > 0 {
		t.Errorf("%d bytes follow the certificate", len(rest))
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0 {
		t.Error("it may sign other certificates")
	}
	if left := time.Until(c.NotAfter); left < 10*365*24*time.Hour {
		t.Errorf("it is good for %v only", left)
	}
	if time.Since(c.NotBefore) < time.Hour {
		t.Error("a client whose clock is an hour behind would refuse it")
	}
}

func TestHandshake(t *testing.T) {
	ours, other := credentials(t, time.Now()), credentials(t, time.Now())
	tests := map[string]struct {
		server, client serve.Credentials
		change         func(server *tls.Config)
		ok             bool
	}{
		"the very certificate is accepted":   {ours, ours, nil, true},
		"another controller's is not":        {other, ours, nil, false},
		"nor is one that is out of date":     {credentials(t, time.Now().Add(-2*validity)), serve.Credentials{}, nil, false},
		"nor one signed with ours":           {ours, ours, func(c *tls.Config) { signedWith(t, c) }, false},
		"nor is an older version of TLS":     {ours, ours, func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12 }, false},
		"nor a server without a certificate": {ours, ours, func(c *tls.Config) { c.Certificates = nil }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server, err := ServerTLS(tt.server)
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(server)
			}
			if tt.client == (serve.Credentials{}) {
				tt.client = tt.server
			}
			client, err := ClientTLS(tt.client.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if err := handshake(t, server, client); (err == nil) != tt.ok {
				t.Errorf("the handshake gave %v", err)
			}
		})
	}
}

// handshake gives the client's error, or the server's if the client had none.
func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = tls.Server(conn, server).Handshake()
			conn.Close()
		}
		done <- err
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		conn.Close()
	}
	return cmp.Or(err, <-done)
}

// signedWith gives the server a certificate that was signed with the key of the
// one it has, as whoever stole the key could make.
func signedWith(t *testing.T, c *tls.Config) {
	t.Helper()
	parent, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	forged := *parent
	forged.NotAfter = forged.NotAfter.Add(time.Hour)
	key, ok := c.Certificates[0].PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatalf("%T cannot sign", c.Certificates[0].PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, &forged, parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c.Certificates = []tls.Certificate{{Certificate: [][]byte{der, parent.Raw}, PrivateKey: key}}
}

func TestServerTLSRefusesWhatIsNoCertificate(t *testing.T) {
	c, other := credentials(t, time.Now()), credentials(t, time.Now())
	c.Key = other.Key
	for name, c := range map[string]serve.Credentials{"another's key": c, "nothing": {}} {
		if _, err := ServerTLS(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
