// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/task"
)

// clearPause is how often it is looked whether anything is left of a program.
const clearPause = 20 * time.Millisecond

// work carries out the order, whenever there is something to do about it, until
// ctx ends. Its error is trouble of the agent's own.
func (a *agent) work(ctx context.Context) error {
	for {
		select {
		case <-a.ordered:
		case <-ctx.Done():
			return nil
		}
		o, turn, over := a.turn(ctx)
		err := a.carryOut(turn, o)
		broken := turn.Err() != nil
		over()
		// What was ended with the machine goes on if that comes back, and what was ended
		// for another order has its place taken by that.
		if err != nil && !broken {
			return err
		}
	}
}

// turn gives the machine's order, and a context that ends when it has another.
func (a *agent) turn(ctx context.Context) (Order, context.Context, context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	turn, over := context.WithCancel(ctx)
	a.replace = over
	return *a.order, turn, over
}

// carryOut goes on with the order where it was: files that are in place and a
// setup that has succeeded are not done again. A setup that was broken off is.
func (a *agent) carryOut(ctx context.Context, o Order) error {
	before, _ := a.board.look()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case before.Phase == PhaseExited:
		return nil // it was woken for what it had done already
	}
	settled, err := a.furnish(ctx, o, before.Phase)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return a.record(o, State{
			Phase: PhaseExited, Last: PhaseFurnishing, ExitCode: 1,
			Detail: err.Error(), Invalid: errors.Is(err, serve.ErrInvalid),
		})
	}
	var last script
	scripts := task.Scripts{
		Setup: o.Task.Setup, Run: o.Task.Run, Log: a.output,
		Command: func(ctx context.Context, text string) (*exec.Cmd, error) {
			last = script{}
			return last.ofCommand(a.command(ctx, o, text))
		},
		Begin: func(phase string) error { return a.begin(o, Phase(phase)) },
		Begun: func() error { return nil },
	}
	if settled {
		scripts.Setup = ""
	}
	ended, code, err := scripts.Execute(ctx)
	if ctx.Err() != nil {
		a.clear(context.WithoutCancel(ctx), o, last)
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return a.record(o, State{Phase: PhaseExited, Last: Phase(ended), ExitCode: code})
}

// script is a script that was started.
type script struct {
	cmd *exec.Cmd
	// asked is when it was asked to end.
	asked time.Time
}

// ofCommand notes by which command it is run, and when that is asked to end.
func (s *script) ofCommand(cmd *exec.Cmd, err error) (*exec.Cmd, error) {
	if err != nil {
		return nil, err
	}
	ask := cmd.Cancel
	cmd.Cancel = func() error {
		s.asked = time.Now()
		return ask()
	}
	s.cmd = cmd
	return cmd, nil
}

// clear waits for what a script has started, which was asked to end with it and
// may take longer than the script itself, and ends what is left when its time is up.
func (a *agent) clear(ctx context.Context, o Order, s script) {
	if o.Image != "" {
		a.evict(ctx)
		return
	}
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	patient, cancel := context.WithDeadline(ctx, s.asked.Add(grace))
	defer cancel()
	look := time.NewTicker(clearPause)
	defer look.Stop()
	for patient.Err() == nil && task.Runs(s.cmd.Process.Pid) {
		select {
		case <-look.C:
		case <-patient.Done():
		}
	}
	if err := task.Signal(s.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		a.log.Error("ending what is left of the program", "error", err)
	}
}

// record keeps how far the machine is with an order, and shows it, as long as it
// is the machine's.
func (a *agent) record(o Order, s State) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.order.Revision != o.Revision {
		return fmt.Errorf("going on with revision %d: %w", o.Revision, context.Canceled)
	}
	s.Revision = o.Revision
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
		// Another order may have had it before.
		if err := a.sweep(); err != nil {
			return false, err
		}
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

// sweep removes what orders before have left: all that is in the working directory,
// which stays itself as somebody may be in it, and the files they had elsewhere.
func (a *agent) sweep() error {
	a.mu.Lock()
	stale := append(slices.Clone(a.stale), a.path(mountsDir))
	a.mu.Unlock()
	entries, err := os.ReadDir(a.path(workDir))
	for _, e := range entries {
		stale = append(stale, a.path(workDir, e.Name()))
	}
	for _, path := range stale {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("removing what was before: %w", err)
	}
	return nil
}

// begin keeps that a script is about to begin. Only then is it sure that the
// bundles are not unpacked once more.
func (a *agent) begin(o Order, phase Phase) error {
	if err := a.record(o, State{Phase: phase}); err != nil {
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
	if o.Image != "" {
		return a.enclosed(ctx, o, script)
	}
	cmd := exec.CommandContext(ctx, task.Shell(), "-c", script)
	cmd.Dir = a.path(workDir)
	cmd.Env = append(append(task.Inherited(os.Environ()), "HOME="+homeDir()), a.variables(o)...)
	// Asked to end it may finish what it does, and so may all that it has started.
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
