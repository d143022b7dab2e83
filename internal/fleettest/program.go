// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Secret is what the keys of machines are made of.
const Secret = "a secret of the controller's that has more than 32 bytes"

// Program gives a program for agents where none is ever sent.
func Program(t testing.TB) func(architecture string) (*agent.Program, error) {
	t.Helper()
	path := t.TempDir() + "/agent"
	if err := os.WriteFile(path, []byte("#!/bin/false\n"), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return func(string) (*agent.Program, error) { return agent.OpenProgram(path) }
}

// Incomplete is a program that the provider has for machines of amd64 only, as a release
// has it that lacks those of others.
func Incomplete(t testing.TB) func(architecture string) (*agent.Program, error) {
	t.Helper()
	here := Program(t)
	return func(architecture string) (*agent.Program, error) {
		if architecture != "amd64" {
			return (&agent.Programs{Own: "/opt/provider", Version: "1.2.3"}).Open(architecture)
		}
		return here(architecture)
	}
}

// Shown gives the same credentials for every cloud.
func Shown(text string) serve.CredentialsOf {
	return func(context.Context, string) (string, error) { return text, nil }
}

// BeAgent lets a test binary stand in for the program: sent to a machine and started
// as an agent it is one. It reports whether it was.
func BeAgent() bool {
	if len(os.Args) != 4 || os.Args[1] != "agent" {
		return false
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := agent.Run(ctx, agent.Options{Dir: os.Args[3], Log: log}); err != nil {
		panic(err)
	}
	return true
}

// Itself gives the program that is tested as the agent's, for machines that boot.
func Itself() func(architecture string) (*agent.Program, error) {
	path := cmp.Or(os.Getenv("SERVE_BINARY"), os.Args[0])
	return func(string) (*agent.Program, error) { return agent.OpenProgram(path) }
}
