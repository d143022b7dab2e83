// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package bootstrap makes the user data by which a new machine becomes one that a
// controller can furnish.
package bootstrap

import (
	"errors"
	"time"
)

// Config is what a machine has to know before anybody has talked to it. It is
// readable to everyone who may look at the machine's user data.
type Config struct {
	// Cloud says whose metadata service the machine has: "aws" or "gcp".
	Cloud string
	// Port is where the machine is to be talked to.
	Port int
	// Program is the digest of the agent's program, "sha256:<hex>".
	Program string
	// Lease is for how long the machine stays when nobody has talked to it.
	Lease time.Duration
	// Controller is the certificate of whoever may talk to the machine, in PEM.
	Controller string
	// Birth is the certificate that the machine shows, with its key, in PEM.
	Birth string
}

// UserData gives the user data of a machine, in the form of cloud-init.
func UserData(c Config) (string, error) { return "", errors.ErrUnsupported }
