// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Options say what a machine is to be.
type Options struct {
	// Hostname is what it calls itself.
	Hostname string
	// Environ is what everything on it finds in its environment, beside PATH.
	Environ []string
	// UserData is carried out when it starts.
	UserData []byte
	// Console receives what is printed on it; nil discards that.
	Console io.Writer
	// Fixed is for a system that is not to be changed, such as Container-Optimized OS.
	Fixed bool
	// Ground keeps what is written, for the next machine that is given it. Nil is for a
	// machine that starts once.
	Ground *Ground
}

// Machine is a machine that was started.
type Machine struct {
	cmd     *exec.Cmd
	stopped atomic.Bool
	ground  *Ground
	again   bool
	done    chan struct{}
	err     error
}

// unborn is the status of a first process that was asked to end before it was there
// to listen.
const unborn = 2

// Start starts a machine. It does not wait for the user data to be carried out.
func Start(o Options) (*Machine, error) {
	if os.Getenv(readied) == "" {
		return nil, errors.New("starting a machine: the TestMain of this package does not begin with machinetest.Be")
	}
	again := o.Ground.isLaid()
	told, err := json.Marshal(birth{Hostname: o.Hostname, Environ: o.Environ, UserData: o.UserData, Fixed: o.Fixed, Again: again})
	if err != nil {
		return nil, fmt.Errorf("starting a machine: %w", err)
	}
	// By its name: what is open here is nothing that could be mounted there.
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting a machine: %w", err)
	}
	if again {
		program = self // where it is on its own ground
	}
	m := &Machine{ground: o.Ground, again: again, done: make(chan struct{}), cmd: &exec.Cmd{
		Path: program, Args: []string{firstProgram}, Dir: "/", Env: []string{"PATH=" + searchPath, "GORACE=atexit_sleep_ms=0"},
		Stdin: bytes.NewReader(told), Stdout: o.Console, Stderr: o.Console,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			Setsid:     true, Pdeathsig: syscall.SIGKILL,
		},
	}}
	started := make(chan error)
	go m.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting a machine: %w", err)
	}
	return m, nil
}

// run is there for as long as the machine. The kernel ends the machine with the
// thread that has started it, which so must not be anybody else's.
func (m *Machine) run(started chan<- error) {
	runtime.LockOSThread()
	var err error
	if m.again {
		err = m.ground.enter()
	}
	if err == nil {
		err = m.cmd.Start()
	}
	if err == nil && m.ground != nil && !m.again {
		err = m.ground.keep(m.cmd.Process.Pid)
	}
	started <- err
	if err != nil {
		return
	}
	m.err = m.cmd.Wait()
	close(m.done)
}

// Stop has the machine shut down, and cuts its power when that has not happened
// within the grace. It does not wait.
func (m *Machine) Stop(grace time.Duration) {
	m.stopped.Store(true)
	_ = m.cmd.Process.Signal(syscall.SIGTERM) // it may be over
	cut := time.AfterFunc(grace, m.Kill)
	go func() {
		<-m.done
		cut.Stop()
	}()
}

// Kill cuts the machine's power.
func (m *Machine) Kill() { _ = m.cmd.Process.Kill() }

// Freeze has nothing happen on the machine any more.
func (m *Machine) Freeze() { _ = m.cmd.Process.Signal(freezeSignal) }

// Wait returns when nothing of the machine is there any more. Its error is trouble
// of the machine itself: that it was shut down or killed is none.
func (m *Machine) Wait() error {
	<-m.done
	if exit, ok := errors.AsType[*exec.ExitError](m.err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return nil
		}
		if exit.ExitCode() == unborn && m.stopped.Load() {
			return nil
		}
	}
	return m.err
}

// Need skips a test where there can be no machines, and fails it there in CI.
func Need(t testing.TB) {
	t.Helper()
	why := "machines are made by root only"
	if os.Geteuid() == 0 {
		why = try()
	}
	switch {
	case why == "":
	case os.Getenv("CI") != "":
		t.Fatalf("there can be no machines here: %s", why)
	default:
		t.Skipf("there can be no machines here: %s", why)
	}
}

// try says why a machine that does nothing but end cannot be made.
func try() string {
	var said bytes.Buffer
	m, err := Start(Options{Hostname: "trial", UserData: []byte("#!/bin/sh\npoweroff\n"), Console: &said})
	if err == nil {
		err = m.Wait()
	}
	if err != nil {
		return fmt.Sprintf("%v %s", err, said.Bytes())
	}
	return ""
}
