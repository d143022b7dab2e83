// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// hostProgram is the file of the program below the host's directory; fetch.py of
	// package bootstrap puts it there first.
	hostProgram = "controller"
	// logDir has the log, logName, and nothing else.
	logDir, logName = "log", "controller.log"
)

// HostOptions say what only the cloud of a host can tell.
type HostOptions struct {
	// Bucket gives the bucket that the machine was told of.
	Bucket func(ctx context.Context, told bootstrap.Host) (bucket.Bucket, error)
	// Machine gives what the cloud calls this machine, and the address to listen at.
	Machine func(ctx context.Context) (id, address string, err error)
	// Log receives what goes wrong on the side.
	Log *slog.Logger
}

// Host is the machine that a controller runs on, seen from the controller.
type Host struct {
	// Told is what the machine knew before it had read anything in its bucket.
	Told bootstrap.Host
	// Bucket is where everything is that is to outlive the machine.
	Bucket bucket.Bucket
	// Credentials are those of the controller's API.
	Credentials serve.Credentials
	// Address is where clients find the controller, whichever machine it is on.
	Address Address
	// ID is what the cloud calls the machine.
	ID string

	dir      string
	own      string // the address to listen at
	log      *slog.Logger
	settings settings
	// programs are on this machine: the controller's own, and others by the digest of
	// that, so that they are those of one release.
	programs agent.Programs
}

// Open finds out what is to be done on this machine, by the directory that its start
// script has filled.
func Open(ctx context.Context, dir string, o HostOptions) (*Host, error) {
	h, err := open(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("finding out which controller to run: %w", err)
	}
	return h, nil
}

func open(ctx context.Context, dir string, o HostOptions) (*Host, error) {
	h := &Host{dir: dir, log: o.Log}
	err := jsonfile.Read(filepath.Join(dir, filepath.Base(bootstrap.HostFile)), &h.Told)
	if err != nil {
		return nil, err
	}
	if h.Bucket, err = o.Bucket(ctx, h.Told); err != nil {
		return nil, err
	}
	if h.settings, err = read(ctx, h.Bucket); err != nil {
		return nil, err
	}
	h.Credentials, h.Address = h.settings.credentials, h.settings.Address
	h.programs.Own, h.programs.Version = filepath.Join(dir, hostProgram), strings.TrimPrefix(h.settings.Program, digestPrefix)
	if h.ID, h.own, err = o.Machine(ctx); err != nil {
		return nil, err
	}
	return h, nil
}

// Config takes in how the controller is to reach its cloud.
func (h *Host) Config(into any) error {
	if err := json.Unmarshal(h.settings.Config, into); err != nil {
		return fmt.Errorf("reading how the controller reaches its cloud: %w", err)
	}
	return nil
}

// Noted gives what was noted last of where there are machines; nil if nothing is
// known of that, so that they may be everywhere.
func (h *Host) Noted(ctx context.Context) (*string, error) { return noted(ctx, h.Bucket) }

// Scope gives what the machines of controllers in a region are known by in their own
// cloud, among those of others.
func Scope(region string) func() (string, error) {
	return func() (string, error) { return "at-" + region, nil }
}

// Own fills in how the controller on this machine has machines from its own cloud, which
// it reaches by c. What the cloud notes of where they are is kept in the bucket.
func Own[C any](ctx context.Context, h *Host, c C, o fleet.Options) (fleet.Options, error) {
	noted, err := h.Noted(ctx)
	if err != nil {
		return o, err
	}
	known, err := Whereabouts(noted, c)
	if err != nil {
		return o, err
	}
	o.Known, o.Scope = known.String(), Scope(h.Told.Region)
	o.Secret, o.Program = h.Secret, h.Program(ctx)
	o.Note = func(where string) error { return h.put(ctx, placeKey, where) }
	return o, nil
}

// Secret gives what the keys of all machines are made of.
func (h *Host) Secret() ([]byte, error) { return []byte(h.Credentials.Token), nil }

// Program gives the program that machines are run by, for an architecture.
func (h *Host) Program(ctx context.Context) func(architecture string) (*agent.Program, error) {
	return func(architecture string) (*agent.Program, error) { return h.program(ctx, architecture) }
}

// Started says in the bucket that the controller runs here, and with what it was
// told.
func (h *Host) Started(ctx context.Context) error {
	return bucket.Write(ctx, h.Bucket, runningKey, running{Told: h.settings.digest(), Instance: h.ID}, bucket.Condition{})
}

// Log gives a writer to the controller's log on this machine, which is rotated when
// it is full.
func Log(dir string) (io.WriteCloser, error) {
	if err := os.MkdirAll(filepath.Join(dir, logDir), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the log: %w", err)
	}
	return logfile.Create(filepath.Join(dir, logDir, logName)), nil
}

// Logs opens the controller's log. Following ends with ctx.
func (h *Host) Logs(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error) {
	return logfile.Open(ctx, filepath.Join(h.dir, logDir, logName), opt, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

// At gives where on this machine to listen at a port.
func (h *Host) At(port int) string { return net.JoinHostPort(h.own, strconv.Itoa(port)) }

// API is where on this machine the controller's API is.
func (h *Host) API() string { return h.At(APIPort) }
