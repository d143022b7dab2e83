// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"sync"
)

// account is a service account: somebody who is a program.
type account struct {
	address, title, description string
	id                          uint64
	disabled                    bool
	// owner is one that may do what the owner may.
	owner bool
}

// keyID names the key that all service accounts have.
const keyID = "5e47e00000000000000000000000000000000001"

// key signs for service accounts. Making one takes a moment, so there is one for all.
//
//nolint:gochecknoglobals // a key of nobody, for every test of a process
var key = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// googleTokens is where Google itself gives tokens.
const googleTokens = "https://oauth2.googleapis.com/token"

// Credentials gives a key of the service account Account in the form of a file, as
// GOOGLE_APPLICATION_CREDENTIALS may name it. Tokens for it are had at Endpoint.
func (g *GCP) Credentials() []byte { return g.CredentialsOf(Account) }

// CredentialsOf gives such a key of another service account.
func (g *GCP) CredentialsOf(address string) []byte {
	return g.credentials(address, g.Endpoint()+tokenPath)
}

// ClientCredentials gives the same key for those who ask by Client: tokens for it are
// had where Google gives them.
func (g *GCP) ClientCredentials() []byte { return g.credentials(Account, googleTokens) }

// KeyOf gives such a key for Client of another service account.
func (g *GCP) KeyOf(address string) []byte { return g.credentials(address, googleTokens) }

func (g *GCP) credentials(address, tokens string) []byte {
	k, err := key()
	if err != nil {
		g.t.Fatalf("making a key: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		g.t.Fatalf("making a key: %v", err)
	}
	file, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": Project, "private_key_id": keyID,
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": address, "client_id": "100000000000000000001",
		"auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": tokens,
		"auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
		"client_x509_cert_url":        "https://www.googleapis.com/robot/v1/metadata/x509/" + address,
		"universe_domain":             "googleapis.com",
	}, "", "  ")
	if err != nil {
		g.t.Fatalf("writing a key: %v", err)
	}
	return file
}

// AddOwner makes one more service account that may do what the owner may, and gives its
// address.
func (g *GCP) AddOwner(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	address := name + "@" + accountDomain
	g.accounts[address] = &account{address: address, id: g.id(), owner: true}
	return address
}

// Disable has a service account be nobody from now on: it is given no token, and those
// that it has open nothing.
func (g *GCP) Disable(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[address].disabled = true
}
