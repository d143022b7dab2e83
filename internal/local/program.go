// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/task"
)

// run runs the task's scripts and records how they go. Its error is trouble of
// the machine's own; a program that fails is news, not trouble.
func (m *machine) run(ctx context.Context) error {
	scripts := task.Scripts{
		Setup: m.order.Setup, Run: m.order.Run, Log: m.log,
		Command: func(ctx context.Context, script string) (*exec.Cmd, error) {
			cmd := exec.CommandContext(ctx, task.Shell(), "-c", script)
			cmd.Env = m.order.Env
			cmd.Dir = filepath.Join(m.dir, workDir)
			return cmd, nil
		},
		Begin: func(phase string) error { return m.record(state{Phase: phase}) },
		Begun: m.tellReady,
	}
	last, code, err := scripts.Execute(ctx)
	if err != nil {
		return err
	}
	// When the machine ends, or the market kills program and machine at about
	// the same time, it was not the program that failed.
	if deadline := m.claimedAt(); m.ending.Load() || !deadline.IsZero() && !time.Now().Before(deadline) {
		return nil
	}
	return m.record(state{Phase: phaseExited, Last: last, ExitCode: code})
}

// record says how far the program is.
func (m *machine) record(s state) error {
	s.Process, s.Revision = m.self, m.order.Revision
	return jsonfile.Write(filepath.Join(m.dir, stateFile), s)
}

// tellReady tells the launcher, once, that the machine is up. A launcher that is
// gone does not want to know.
func (m *machine) tellReady() error {
	if m.ready == nil {
		return nil
	}
	_, err := m.ready.Write([]byte{1})
	err = errors.Join(err, m.ready.Close())
	m.ready = nil
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
