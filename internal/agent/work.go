// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/task"
)

// work carries out the order, whenever there is something to do about it, until
// ctx ends. Its error is trouble of the agent's own.
func (a *agent) work(ctx context.Context) error {
	for {
		select {
		case <-a.ordered:
		case <-ctx.Done():
			return nil
		}
		// What was ended with the machine goes on if that comes back.
		if err := a.carryOut(ctx, *a.current()); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// carryOut goes on with the order where it was: files that are in place and a
// setup that has succeeded are not done again. A setup that was broken off is.
func (a *agent) carryOut(ctx context.Context, o Order) error {
	before, _ := a.board.look()
	settled, err := a.furnish(ctx, o, before.Phase)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return a.record(State{
			Phase: PhaseExited, Last: PhaseFurnishing, ExitCode: 1,
			Detail: err.Error(), Invalid: errors.Is(err, serve.ErrInvalid),
		})
	}
	scripts := task.Scripts{
		Setup: o.Task.Setup, Run: o.Task.Run, Log: a.output,
		Command: a.commandOf(o),
		Begin:   func(phase string) error { return a.begin(Phase(phase)) },
		Begun:   func() error { return nil },
	}
	if settled {
		scripts.Setup = ""
	}
	last, code, err := scripts.Execute(ctx)
	if o.Image != "" && ctx.Err() != nil {
		a.evict(context.WithoutCancel(ctx))
	}
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return err
	}
	return a.record(State{Phase: PhaseExited, Last: Phase(last), ExitCode: code})
}

// record keeps how far the machine is, and shows it.
func (a *agent) record(s State) error {
	if err := jsonfile.Write(filepath.Join(a.dir, progressFile), s); err != nil {
		return err
	}
	a.board.show(s)
	return nil
}

// furnish has everything in place that the scripts of the order need, and reports
// whether setup has been done there.
func (a *agent) furnish(ctx context.Context, o Order, phase Phase) (settled bool, err error) {
	if phase == PhaseFurnishing {
		files := task.Files{Task: o.Task, Work: a.path(workDir), Mount: a.mountPath, Open: a.bundles.Open}
		if o.Image != "" {
			files.Mount = func(target string) (string, error) { return a.containedPath(o, target) }
		}
		if err := files.Unpack(ctx); err != nil {
			return false, err
		}
	}
	settled = phase == PhaseRun
	if o.Image != "" {
		return a.contain(ctx, o, settled)
	}
	return settled, nil
}

// begin keeps that a script is about to begin. Only then is it sure that the
// bundles are not unpacked once more.
func (a *agent) begin(phase Phase) error {
	if err := a.record(State{Phase: phase}); err != nil {
		return err
	}
	return a.bundles.Keep()
}

// mountPath is where a mount lands: the machine is the replica's alone, so that it
// may be anywhere.
func (a *agent) mountPath(target string) (string, error) {
	path := filepath.FromSlash(target)
	if below, ok := strings.CutPrefix(target, "~/"); ok {
		return filepath.Join(homeDir(), filepath.FromSlash(below)), nil
	}
	if filepath.IsAbs(path) {
		return path, nil
	}
	if filepath.Clean(path) == "." || !filepath.IsLocal(path) {
		return "", fmt.Errorf("it leads out of the working directory: %w", serve.ErrInvalid)
	}
	return filepath.Join(a.path(workDir), path), nil
}

// homeDir is what "~" stands for: a service of the system has no HOME unless it
// is given one.
func homeDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return "/root"
	}
	return home
}

// command makes the command that runs a script of the order.
func (a *agent) command(ctx context.Context, o Order, script string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, task.Shell(), "-c", script)
	cmd.Dir = a.path(workDir)
	cmd.Env = append(append(task.Inherited(os.Environ()), "HOME="+homeDir()), a.variables(o)...)
	// Asked to end it may finish what it does. What is left of it when its time is
	// up goes with the machine.
	cmd.Cancel = func() error { return task.Signal(cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd, nil
}

// variables gives what the scripts are told by their environment.
func (a *agent) variables(o Order) []string {
	host := a.host
	if host == "" {
		host = net.IPv4zero.String()
	}
	return task.Variables(o.Task, o.Ref, task.Place{
		Dir: a.path(workDir), Home: a.home(o),
		Host: host, Port: strconv.Itoa(o.Port), NoticeFile: a.path(noticeDir, noticeFile),
	})
}

// path gives the path of something in the agent's directory.
func (a *agent) path(parts ...string) string {
	return filepath.Join(append([]string{a.dir}, parts...)...)
}
