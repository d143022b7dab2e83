// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
)

// The phases of a task: the scripts that are run, in their order.
const (
	Setup = "setup"
	Run   = "run"
)

// commandNotFound is the exit code by which shells say that there is no such program.
const commandNotFound = 127

// Scripts are the scripts of a task.
type Scripts struct {
	Setup, Run string
	// Command makes the command by which a script is run. Where it prints to and
	// how it is started is seen to here.
	Command func(ctx context.Context, script string) (*exec.Cmd, error)
	// Log receives what the scripts print.
	Log io.Writer
	// Begin is told which phase is about to begin, before it is true, so that
	// nothing ever runs unsaid. Begun is told when it was tried to start the script.
	Begin func(phase string) error
	Begun func() error
}

// Execute runs setup, if there is one, and when that has succeeded run. It gives
// which of the two has ended, and the exit code a shell would show. The error is
// trouble of the machine's own: a program that fails is news, not trouble.
//
// When ctx ends the script that is being run is ended as its command says; nothing
// is started any more.
func (s Scripts) Execute(ctx context.Context) (last string, code int, err error) {
	if s.Setup != "" {
		if code, err := s.execute(ctx, Setup, s.Setup); err != nil || code != 0 {
			return Setup, code, err
		}
	}
	code, err = s.execute(ctx, Run, s.Run)
	return Run, code, err
}

func (s Scripts) execute(ctx context.Context, phase, script string) (int, error) {
	// The kernel kills the script when the thread that has started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := s.Command(ctx, script)
	if err != nil {
		return 0, err
	}
	cmd.SysProcAttr = below()
	drained, err := attach(cmd, s.Log)
	if err != nil {
		return 0, err
	}
	if err := s.Begin(phase); err != nil {
		drained()
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		drained()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		fmt.Fprintf(s.Log, "cannot start %s: %v\n", cmd.Path, err)
		return commandNotFound, s.Begun()
	}
	begun := s.Begun()
	err = cmd.Wait()
	drained()
	if begun != nil {
		return 0, begun
	}
	return exitCode(err)
}

// Shell gives the shell that scripts are run by on this machine.
func Shell() string {
	shell, err := exec.LookPath("bash")
	if err != nil {
		return "sh"
	}
	return shell
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
