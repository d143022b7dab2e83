// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/bundle"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// order is what a machine is told to do. It holds secrets, and is handed down
// in a file without a name.
type order struct {
	Setup string   `json:"setup"`
	Run   string   `json:"run"`
	Env   []string `json:"env"`
}

// orderFor gives the orders for the machine on s.
func (c *Cloud) orderFor(s site, req serve.LaunchRequest) (order, error) {
	host, port, err := net.SplitHostPort(s.instance.Address)
	if err != nil {
		return order{}, fmt.Errorf("reading the address: %w", err)
	}
	work := filepath.Join(s.dir, workDir)
	env := append(inherited(os.Environ()), "PWD="+work)
	if mountsHome(req.Task) {
		env = append(env, "HOME="+filepath.Join(s.dir, homeDir))
	}
	// Of two settings of one variable the later wins.
	for _, vars := range []map[string]string{req.Task.Envs, req.Task.Secrets} {
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			env = append(env, name+"="+vars[name])
		}
	}
	env = append(env,
		"HOST="+host,
		"PORT="+port,
		"SKYPILOT_SERVE_REPLICA_ID="+strconv.FormatInt(req.Ref.Replica, 10),
		"SERVE_NOTICE_FILE="+filepath.Join(s.dir, noticeFile),
	)
	env = append(env, tagsOf(s.home, req.Ref)...)
	return order{Setup: req.Task.Setup, Run: req.Task.Run, Env: env}, nil
}

// furnish unpacks the working copy and the file mounts.
func furnish(ctx context.Context, dir string, req serve.LaunchRequest) error {
	for _, name := range []string{workDir, logDir} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return fmt.Errorf("furnishing the machine: %w", err)
		}
	}
	if req.Task.Workdir != "" {
		if err := unpack(ctx, req, req.Task.Workdir, filepath.Join(dir, workDir)); err != nil {
			return fmt.Errorf("furnishing the working directory: %w", err)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(req.Task.FileMounts)) {
		path, err := mountPath(dir, target)
		if err == nil {
			err = unpack(ctx, req, req.Task.FileMounts[target], path)
		}
		if err != nil {
			return fmt.Errorf("furnishing the file mount %q: %w", target, err)
		}
	}
	return nil
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

func mountsHome(t serve.Task) bool {
	for target := range t.FileMounts {
		if strings.HasPrefix(target, "~/") {
			return true
		}
	}
	return false
}

func unpack(ctx context.Context, req serve.LaunchRequest, digest, path string) error {
	content, err := req.Bundle(digest)
	if err != nil {
		return fmt.Errorf("opening bundle %s: %w", digest, err)
	}
	defer content.Close()
	return bundle.Unpack(reader{ctx, content}, path)
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
