// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package machinetest

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// Options say what a machine is to be.
type Options struct {
	Hostname string
	Environ  []string
	UserData []byte
	Console  io.Writer
	Fixed    bool
	Ground   *Ground
}

// Ground is none.
type Ground struct{}

// Close does nothing.
func (*Ground) Close() {}

// Machine is none: only Linux has what machines are made of.
type Machine struct{}

// Start makes no machine.
func Start(Options) (*Machine, error) { return nil, errors.New("machines are made on Linux only") }

// Stop does nothing.
func (*Machine) Stop(time.Duration) {}

// Kill does nothing.
func (*Machine) Kill() {}

// Freeze does nothing.
func (*Machine) Freeze() {}

// Wait returns at once.
func (*Machine) Wait() error { return nil }

// Need skips a test.
func Need(t testing.TB) {
	t.Helper()
	t.Skip("there can be no machines here: they are made on Linux only")
}

func beFirst() { os.Exit(1) } //nolint:forbidigo // it is never called
