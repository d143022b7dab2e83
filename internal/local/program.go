// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// commandNotFound is the exit code by which shells say that there is no such program.
const commandNotFound = 127

// run runs setup and then run, and records how they go. Its error is trouble of
// the machine's own; a program that fails is news, not trouble.
func (m *machine) run(ctx context.Context) error {
	// The kernel kills the program when the thread that has started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	phases := []struct{ name, script string }{{phaseSetup, m.order.Setup}, {phaseRun, m.order.Run}}
	for _, phase := range phases {
		if phase.script == "" && phase.name == phaseSetup {
			continue
		}
		code, err := m.runScript(ctx, phase.name, phase.script)
		if err != nil {
			return err
		}
		if code == 0 && phase.name == phaseSetup {
			continue
		}
		// When the machine ends, or the market kills program and machine at about
		// the same time, it was not the program that failed.
		if deadline := m.claimedAt(); m.ending.Load() || !deadline.IsZero() && !time.Now().Before(deadline) {
			return nil
		}
		return m.record(state{Phase: phaseExited, Last: phase.name, ExitCode: code})
	}
	return nil
}

// runScript runs one script in the working copy and gives its exit code.
func (m *machine) runScript(ctx context.Context, name, script string) (int, error) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		shell = "sh"
	}
	cmd := exec.CommandContext(ctx, shell, "-c", script)
	cmd.Env = m.order.Env
	cmd.Dir = filepath.Join(m.dir, workDir)
	cmd.SysProcAttr = below()
	drained, err := m.log.attach(cmd)
	if err != nil {
		return 0, err
	}
	// Said before it is true, so that a machine is never running unsaid.
	if err := m.record(state{Phase: name}); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		drained()
		fmt.Fprintf(m.log.file, "cannot start %s: %v\n", shell, err)
		return commandNotFound, m.tellReady()
	}
	if err := m.tellReady(); err != nil {
		return 0, err
	}
	err = cmd.Wait()
	drained()
	return exitCode(err)
}

// exitCode gives the code a shell would show: 128 and the signal's number for a
// program that was killed.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// record says how far the program is.
func (m *machine) record(s state) error {
	s.Process = m.self
	return writeJSON(filepath.Join(m.dir, stateFile), s)
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
