// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// grace is for how long a program may go on after it was asked to end.
const grace = 5 * time.Second

// Terminate asks the replica's program to end, kills what is left of it after a
// while, and removes the machine. A launch of it that is under way is broken off.
func (c *Cloud) Terminate(ctx context.Context, ref serve.Ref) error {
	c.machines.Interrupt(ref, errors.New("it was terminated"))
	_, leave, err := c.machines.Enter(ctx, ref)
	if err != nil {
		return fmt.Errorf("terminating replica %d: %w", ref.Replica, err)
	}
	defer leave()
	h, err := openHome(c.root)
	if err == nil {
		err = c.terminate(ctx, h, ref)
	}
	if err != nil {
		return fmt.Errorf("terminating replica %d: %w", ref.Replica, err)
	}
	return nil
}

func (c *Cloud) terminate(ctx context.Context, h home, ref serve.Ref) error {
	dir := h.replica(ref)
	// Written first: from now on the machine's end is no news.
	err := os.WriteFile(filepath.Join(dir, endingFile), nil, 0o600)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r, err := readRecord(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		// Its files make no sense; its processes can be ended all the same.
		c.log.WarnContext(ctx, "terminating a machine whose files cannot be read", "error", err)
	case r.running():
		if err := c.shutDown(ctx, h, r); err != nil {
			return err
		}
	}
	return c.clear(ctx, h, ref)
}

// shutDown lets the machine end itself, within the time it may take.
func (c *Cloud) shutDown(ctx context.Context, h home, r record) error {
	if err := r.state.Process.signal(syscall.SIGTERM); err != nil {
		return err
	}
	limit := 2 * grace
	if cfg, err := readConfig(h); err == nil {
		limit += serve.Seconds(cfg.ShutdownSeconds)
	}
	patient, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := r.state.Process.wait(patient); err != nil && patient.Err() == nil {
		return err
	}
	return ctx.Err()
}

// clear kills what is left of a machine and removes its directory. The lock
// tells when nothing more can come: a process that was just being forked when
// its launcher was killed holds it before it has any tag.
func (c *Cloud) clear(ctx context.Context, h home, ref serve.Ref) error {
	dir := h.replica(ref)
	look := time.NewTicker(lockPatience)
	defer look.Stop()
	for {
		if err := killAll(ctx, h, of(ref)); err != nil {
			return err
		}
		locked, err := isLocked(filepath.Join(dir, lockFile))
		if err != nil {
			return err
		}
		if !locked {
			break
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for another process to let go of the machine: %w", ctx.Err())
		}
	}
	if err := killAll(ctx, h, of(ref)); err != nil {
		return err
	}
	var s state
	if err := jsonfile.Read(filepath.Join(dir, stateFile), &s); err == nil {
		c.children.reap(s.Process)
	}
	return remove(dir)
}
