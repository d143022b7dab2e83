// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/task"
)

// The variables by which a process says to whom it belongs, beside those of the
// replica.
const (
	envHome       = "SERVE_HOME"
	envController = "SERVE_CONTROLLER"
)

// process names a process for good: an id comes back to another process one
// day, but never with the same start.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"`
}

// owner is what a process belongs to: a machine, or the controller of a service.
type owner struct {
	ref        serve.Ref
	controller string
}

// member is a living process and what it belongs to.
type member struct {
	process
	owner
}

// tagsOf gives the variables that make a process one of the machine of ref.
func tagsOf(h home, ref serve.Ref) []string {
	return append(task.Tags(ref), envHome+"="+string(h))
}

// ownerOf reads the tags out of an environment; ok is false when they are not
// complete or of another home.
func ownerOf(h home, environ []string) (o owner, ok bool) {
	v := make(map[string]string)
	for _, e := range environ {
		if name, value, found := strings.Cut(e, "="); found && strings.HasPrefix(name, "SERVE_") {
			v[name] = value
		}
	}
	if v[envHome] != string(h) {
		return owner{}, false
	}
	if name := v[envController]; name != "" {
		return owner{controller: name}, true
	}
	id, err := strconv.ParseInt(v[task.EnvReplica], 10, 64)
	if err != nil || v[task.EnvService] == "" {
		return owner{}, false
	}
	return owner{ref: serve.Ref{Service: v[task.EnvService], UID: v[task.EnvUID], Replica: id}}, true
}

// signal sends sig to the process if it is still there.
func (p process) signal(sig syscall.Signal) error {
	h, err := p.open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.signal(sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling process %d: %w", p.PID, err)
	}
	return nil
}

// wait returns when the process is gone.
func (p process) wait(ctx context.Context) error {
	h, err := p.open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer h.close()
	return h.wait(ctx)
}

// alive looks whether the process is still there.
func (p process) alive() bool {
	h, err := p.open()
	if err != nil {
		return false
	}
	h.close()
	return true
}

// signalAll sends sig to every process of h that match chooses, this one
// excepted, and gives those it found.
func signalAll(h home, sig syscall.Signal, match func(owner) bool) ([]process, error) {
	all, err := members(h)
	if err != nil {
		return nil, err
	}
	var found []process
	for _, m := range all {
		if m.PID == os.Getpid() || !match(m.owner) {
			continue
		}
		if err := m.signal(sig); err != nil {
			return nil, err
		}
		found = append(found, m.process)
	}
	return found, nil
}

// killAll kills what match chooses until nothing is left of it, however fast it
// forks.
func killAll(ctx context.Context, h home, match func(owner) bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		found, err := signalAll(h, syscall.SIGKILL, match)
		if err != nil || len(found) == 0 {
			return err
		}
		for _, p := range found {
			if err := p.wait(ctx); err != nil {
				return fmt.Errorf("waiting for the end of process %d: %w", p.PID, err)
			}
		}
	}
}

// of chooses the processes of one machine.
func of(ref serve.Ref) func(owner) bool {
	return func(o owner) bool { return o.controller == "" && o.ref == ref }
}
