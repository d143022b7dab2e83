// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/task"
)

// order is what a machine is told to do. It holds secrets, and is handed down
// in a file without a name; only that for a machine which is up already is in one
// that has a name, for as long as it takes to read it.
type order struct {
	Revision int64    `json:"revision"`
	Setup    string   `json:"setup"`
	Run      string   `json:"run"`
	Env      []string `json:"env"`
	// Moves are the files that a machine which is up puts in place first, out of the
	// directory Next.
	Moves []move `json:"moves,omitempty"`
	Next  string `json:"next,omitempty"`
}

// orderFor gives the orders for the machine on s.
func (c *Cloud) orderFor(s site, req serve.LaunchRequest) (order, error) {
	host, port, err := net.SplitHostPort(s.instance.Address)
	if err != nil {
		return order{}, fmt.Errorf("reading the address: %w", err)
	}
	env := append(task.Inherited(os.Environ()), task.Variables(req.Task, req.Ref, task.Place{
		Dir: filepath.Join(s.dir, workDir), Home: filepath.Join(s.dir, homeDir),
		Host: host, Port: port, NoticeFile: filepath.Join(s.dir, noticeFile),
	})...)
	env = append(env, envHome+"="+string(s.home))
	return order{Revision: req.Revision, Setup: req.Task.Setup, Run: req.Task.Run, Env: env}, nil
}

// furnish makes the directories of a machine and fills them.
func furnish(ctx context.Context, dir string, req serve.LaunchRequest) error {
	if err := os.Mkdir(filepath.Join(dir, logDir), 0o700); err != nil {
		return fmt.Errorf("furnishing the machine: %w", err)
	}
	return fill(ctx, dir, req)
}

// fill unpacks the working copy and the file mounts.
func fill(ctx context.Context, dir string, req serve.LaunchRequest) error {
	if err := os.Mkdir(filepath.Join(dir, workDir), 0o700); err != nil {
		return fmt.Errorf("furnishing the machine: %w", err)
	}
	return task.Files{
		Task: req.Task, Work: filepath.Join(dir, workDir), Open: req.Bundle,
		Mount: func(target string) (string, error) { return mountPath(dir, target) },
	}.Unpack(ctx)
}

// mountPath is where a mount lands: in the working copy, or in the replica's
// own home directory. There is no place for other absolute paths, which would
// be shared by all replicas and with the user.
func mountPath(dir, target string) (string, error) {
	base := workDir
	if below, ok := strings.CutPrefix(target, "~/"); ok {
		base, target = homeDir, below
	}
	target = filepath.FromSlash(target)
	if filepath.Clean(target) == "." || !filepath.IsLocal(target) {
		return "", fmt.Errorf("a local replica can have files below its working directory and below \"~/\" only: %w", serve.ErrInvalid)
	}
	return filepath.Join(dir, base, target), nil
}
