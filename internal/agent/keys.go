// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// minSecret is how many bytes a controller's secret has at least.
const minSecret = 32

// Keys are what a controller and the machine of one replica know each other by.
// They follow from the controller's secret and the replica's reference, so that
// nothing has to be kept for each machine, and a controller that has lost
// everything but its secret still reaches all of them.
type Keys struct {
	// controller is what the controller shows to the machine.
	controller tls.Certificate
	// birth is what a machine shows that has no order yet. It is in the user data,
	// which others in the account can read.
	birth tls.Certificate
	// machine is what a machine shows once it has its order, with which it was sent.
	machine tls.Certificate
}

// NewKeys derives the keys of one replica from a secret of the controller's, which
// has 32 random bytes at least; serve.ErrInvalid when it is shorter.
func NewKeys(secret []byte, ref serve.Ref) (Keys, error) {
	var k Keys
	if len(secret) < minSecret {
		return k, fmt.Errorf("deriving the keys of replica %d: the secret has %d bytes and not %d: %w", ref.Replica, len(secret), minSecret, serve.ErrInvalid)
	}
	for name, to := range map[string]*tls.Certificate{"controller": &k.controller, "birth": &k.birth, "machine": &k.machine} {
		info := fmt.Sprintf("terraform-provider-serve agent %s %q %q %d", name, ref.Service, ref.UID, ref.Replica)
		seed, err := hkdf.Key(sha256.New, secret, nil, info, ed25519.SeedSize)
		if err == nil {
			*to, err = certify(name, ed25519.NewKeyFromSeed(seed))
		}
		if err != nil {
			return Keys{}, fmt.Errorf("deriving the keys of replica %d: %w", ref.Replica, err)
		}
	}
	return k, nil
}

// ControllerPEM gives the certificate that the controller shows, which is no secret.
func (k Keys) ControllerPEM() string { return certificatePEM(k.controller) }

// BirthPEM gives the certificate that a new machine shows, with its key.
func (k Keys) BirthPEM() (string, error) {
	key, err := keyPEM(k.birth)
	return certificatePEM(k.birth) + key, err
}

// certify gives the certificate of a key. It says nothing but the key: both ends
// compare that and nothing else. All the same it is one that any library takes,
// for as long as there are machines, and always the same for the same key.
func certify(name string, key ed25519.PrivateKey) (tls.Certificate, error) {
	template := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, &template, &template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func certificatePEM(c tls.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
}

func keyPEM(c tls.Certificate) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return "", fmt.Errorf("encoding a key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// seedOf gives what one of our own keys is made of.
func seedOf(c tls.Certificate) []byte {
	key, _ := c.PrivateKey.(ed25519.PrivateKey) // all of ours are
	return key.Seed()
}
