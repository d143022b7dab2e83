// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultAddressing: all of 127.0.0.0/8 is ours to bind.
const defaultAddressing = addressLoopback

// handle holds on to one process: while it is open, neither a signal nor a wait
// can meet another process that was given the same id.
type handle struct{ pidfd *os.File }

// open gives a handle on p; os.ErrProcessDone when p is gone.
func (p process) open() (*handle, error) {
	fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, os.ErrProcessDone
	}
	if err != nil {
		return nil, fmt.Errorf("opening process %d (Linux 5.10 or newer is needed): %w", p.PID, err)
	}
	h := &handle{pidfd: os.NewFile(uintptr(fd), "pidfd")}
	// Only now that the handle is held is it worth comparing: should the id still
	// have p's start, then p was there when the handle was made.
	if now, err := identify(p.PID); err != nil || now != p {
		h.close()
		return nil, os.ErrProcessDone
	}
	return h, nil
}

func (h *handle) close() { h.pidfd.Close() }

func (h *handle) signal(sig syscall.Signal) error {
	conn, err := h.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return err
	}
	return sent
}

// wait parks in the runtime's poller, without a thread, until the process ends.
func (h *handle) wait(ctx context.Context) error {
	conn, err := h.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = h.pidfd.SetReadDeadline(time.Unix(1, 0)) })()
	var polled error
	err = conn.Read(func(fd uintptr) bool {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if errors.Is(err, unix.EINTR) {
			return false
		}
		polled = err
		return err != nil || ready > 0
	})
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return errors.Join(err, polled)
}

// identify names the process that has the id now.
func identify(pid int) (process, error) {
	s, err := readStat(pid)
	if err != nil {
		return process{}, os.ErrProcessDone
	}
	return process{PID: pid, Start: s.start}, nil
}

// stat is what we want to know of /proc/PID/stat.
type stat struct {
	parent int
	start  string
	dead   bool // ended, and not yet waited for
}

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name in parentheses may hold anything, parentheses and blanks included.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("reading /proc/%d/stat: %w", pid, fs.ErrInvalid)
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return stat{}, fmt.Errorf("reading /proc/%d/stat: %w", pid, err)
	}
	return stat{parent: parent, start: fields[19], dead: fields[0] == "Z" || fields[0] == "X"}, nil
}

// members lists the living processes of h: those that carry its tags, and the
// descendants of those of machines, which may have shed them.
func members(h home) ([]member, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	found := make(map[int]member)
	untagged := make(map[int]stat)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The start is read before and after the tags, so that both are of one
		// process.
		before, err := readStat(pid)
		if err != nil || before.dead {
			continue
		}
		o, ok := readTags(h, pid)
		if after, err := readStat(pid); err != nil || after.start != before.start {
			continue
		}
		if ok {
			found[pid] = member{process{pid, before.start}, o}
		} else {
			untagged[pid] = before
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, s := range untagged {
			if parent, ok := found[s.parent]; ok && parent.controller == "" {
				found[pid] = member{process{pid, s.start}, parent.owner}
				delete(untagged, pid)
				grown = true
			}
		}
	}
	list := make([]member, 0, len(found))
	for _, m := range found {
		list = append(list, m)
	}
	return list, nil
}

// readTags reads the environment a process was started with. That of another
// user's process cannot be read, and is not ours.
func readTags(h home, pid int) (owner, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(data, []byte(envHome+"=")) {
		return owner{}, false
	}
	return ownerOf(h, strings.Split(string(data), "\x00"))
}
