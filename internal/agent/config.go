// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// What is in the agent's directory. The first three the user data has put there.
const (
	configFile     = "machine.json"
	controllerFile = "controller.pem"
	birthFile      = "birth.pem"
	// orderFile is the order, with its secrets and the machine's key.
	orderFile = "order.json"
	// progressFile is how far the machine is with it.
	progressFile = "progress.json"
	bundlesDir   = "bundles"
	workDir      = "work"
	logDir       = "log"
	logFile      = "replica.log"
	// noticeDir holds the notice file alone, so that a container can be shown it.
	noticeDir  = "notice"
	noticeFile = "notice.json"
	// privateDir keeps from others on the machine what a container can read. The
	// other two are what it finds in its home and at absolute paths.
	privateDir   = "private"
	containerDir = "container"
	homesDir     = "home"
	mountsDir    = "mounts"
)

// config is what the agent knows before anybody has talked to it.
type config struct {
	// Cloud says whose metadata service there is, if any.
	Cloud        string  `json:"cloud"`
	Port         int     `json:"port"`
	LeaseSeconds float64 `json:"lease_seconds"`

	controller ed25519.PublicKey
	birth      tls.Certificate
}

func readConfig(dir string) (config, error) {
	var c config
	if err := jsonfile.Read(filepath.Join(dir, configFile), &c); err != nil {
		return c, err
	}
	if c.LeaseSeconds <= 0 {
		return c, fmt.Errorf("reading %s: a lease of %v seconds: %w", configFile, c.LeaseSeconds, serve.ErrInvalid)
	}
	var err error
	if c.controller, err = readKey(filepath.Join(dir, controllerFile)); err != nil {
		return c, err
	}
	path := filepath.Join(dir, birthFile)
	if c.birth, err = tls.LoadX509KeyPair(path, path); err != nil {
		return c, fmt.Errorf("reading %s: %w", path, err)
	}
	return c, nil
}

// readKey gives the public key of the certificate in a file.
func readKey(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the controller's certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("reading %s: there is no PEM in it: %w", path, serve.ErrInvalid)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	key, ok := certificate.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("reading %s: %w", path, errors.New("its key is no Ed25519 key"))
	}
	return key, nil
}
