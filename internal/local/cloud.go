// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// cloudName is the name of this cloud in locations.
const cloudName = "local"

// CloudOptions says where a [Cloud] lives.
type CloudOptions struct {
	// Root is the home directory; it is made when it is needed.
	Root string
	// Executable is the path of the program that machines are run by, as
	// "Executable local-machine DIR", which is to call [RunMachine].
	Executable string
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
}

// Cloud launches replicas as processes of this machine. Several may use one
// home directory, in one process or in many.
type Cloud struct {
	root       string
	executable string
	log        *slog.Logger
	traces     traces
	market     turns.Turns[struct{}]
	machines   turns.Turns[serve.Ref]
	children   children
}

var _ serve.Cloud = (*Cloud)(nil)

// NewCloud gives the cloud at o.Root. It touches nothing.
func NewCloud(o CloudOptions) *Cloud {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Cloud{root: o.Root, executable: o.Executable, log: o.Log}
}

// Name is "local".
func (c *Cloud) Name() string { return cloudName }

// List gives the machines of the service: those that have a directory, and
// those of which only processes are left. The latter, the half made and the
// dead are not Running.
func (c *Cloud) List(ctx context.Context, service string) ([]serve.Instance, error) {
	h, err := openHome(c.root)
	if err != nil {
		return nil, err
	}
	// Processes first: a machine that is launched in between is found by its
	// directory, and one that ends is found by neither only when it is gone.
	left, err := members(h)
	if err != nil {
		return nil, err
	}
	records, err := h.records()
	if err != nil {
		return nil, err
	}
	var list []serve.Instance
	listed := make(map[serve.Ref]bool)
	for _, r := range records {
		if r.instance.Ref.Service == service {
			list = append(list, r.instance)
			listed[r.instance.Ref] = true
		}
	}
	for _, m := range left {
		if m.controller == "" && m.ref.Service == service && !listed[m.ref] && m.alive() {
			list = append(list, serve.Instance{Ref: m.ref, ID: filepath.Base(h.replica(m.ref))})
			listed[m.ref] = true
		}
	}
	return list, ctx.Err()
}

// Logs opens the output of the machine's setup and run, with what was rotated
// away and is still kept.
func (c *Cloud) Logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	h, err := openHome(c.root)
	if err != nil {
		return nil, err
	}
	r, err := readRecord(h.replica(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the log of replica %d: %w", ref.Replica, serve.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if !r.running() {
		// It never was up, or has ended: nothing more will come.
		opt.Follow = false
	}
	return logfile.Open(ctx, filepath.Join(r.dir, logDir, logFile), opt, r.state.Process.wait)
}
