// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultAddressing: only 127.0.0.1 can be bound unless an administrator adds
// addresses.
const defaultAddressing = addressPort

// handle holds on to one process by its id and start.
type handle struct{ process }

// open gives a handle on p; os.ErrProcessDone when p is gone.
func (p process) open() (*handle, error) {
	if now, err := identify(p.PID); err != nil || now != p {
		return nil, os.ErrProcessDone
	}
	return &handle{p}, nil
}

func (h *handle) close() {}

func (h *handle) signal(sig syscall.Signal) error {
	if now, err := identify(h.PID); err != nil || now != h.process {
		return nil
	}
	return unix.Kill(h.PID, sig)
}

// wait asks a kernel queue for the end of the process, and for an event of our
// own by which ctx wakes it.
func (h *handle) wait(ctx context.Context) error {
	queue, err := unix.Kqueue()
	if err != nil {
		return fmt.Errorf("waiting for process %d: %w", h.PID, err)
	}
	defer unix.Close(queue)
	_, err = unix.Kevent(queue, []unix.Kevent_t{
		{Ident: 0, Filter: unix.EVFILT_USER, Flags: unix.EV_ADD | unix.EV_CLEAR},
		{Ident: uint64(h.PID), Filter: unix.EVFILT_PROC, Flags: unix.EV_ADD, Fflags: unix.NOTE_EXIT},
	}, nil, nil)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("waiting for process %d: %w", h.PID, err)
	}
	// Looked at again now that the queue watches the id, lest it watches another.
	if now, err := identify(h.PID); err != nil || now != h.process {
		return nil
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		unix.Kevent(queue, []unix.Kevent_t{{Ident: 0, Filter: unix.EVFILT_USER, Fflags: unix.NOTE_TRIGGER}}, nil, nil)
	})
	defer func() {
		if !stop() {
			<-woken
		}
	}()
	for {
		var events [1]unix.Kevent_t
		n, err := unix.Kevent(queue, nil, events[:], nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("waiting for process %d: %w", h.PID, err)
		case n > 0 && events[0].Filter == unix.EVFILT_PROC:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// identify names the process that has the id now.
func identify(pid int) (process, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
		return process{}, os.ErrProcessDone
	}
	return processOf(info), nil
}

func processOf(info *unix.KinfoProc) process {
	start := info.Proc.P_starttime
	return process{PID: int(info.Proc.P_pid), Start: fmt.Sprintf("%d.%06d", start.Sec, start.Usec)}
}

// members lists the living processes of h by the sessions of its machines: the
// environment of another process cannot be relied on to be shown here.
func members(h home) ([]member, error) {
	records, err := h.records()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sessions := make(map[int]owner)
	for _, r := range records {
		// A session's number is not given away while any process is in it; when
		// its leader's is another process now, the session has ended.
		leader := r.state.Process
		if now, err := identify(leader.PID); leader.PID > 0 && (err != nil || now == leader) {
			sessions[leader.PID] = owner{ref: r.instance.Ref}
		}
	}
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.uid", os.Getuid())
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	const zombie = 5
	var list []member
	for i := range infos {
		sid, err := unix.Getsid(int(infos[i].Proc.P_pid))
		if o, ok := sessions[sid]; ok && err == nil && infos[i].Proc.P_stat != zombie {
			list = append(list, member{processOf(&infos[i]), o})
		}
	}
	return list, nil
}
