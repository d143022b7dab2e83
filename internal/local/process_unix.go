// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build linux || darwin

package local

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// noticeSignal tells a machine to read its notice, and its orders.
const noticeSignal = syscall.SIGUSR1

// lockOpen locks an open file that nobody else has seen yet. The lock belongs to
// the open file and not to the process: whoever inherits the file holds it too.
func lockOpen(f *os.File) error {
	return os.NewSyscallError("flock", unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}

// isOpenAs reports whether the descriptor, which need not be open nor ours, is
// of the file at path.
func isOpenAs(fd uintptr, path string) bool {
	var mine, there unix.Stat_t
	if unix.Fstat(int(fd), &mine) != nil || unix.Stat(path, &there) != nil {
		return false
	}
	return mine.Dev == there.Dev && mine.Ino == there.Ino
}

// keep makes sure that no program started by this process inherits the file.
func keep(f *os.File) { syscall.CloseOnExec(int(f.Fd())) }

// apart is how a machine or a controller is started: in a session of its own,
// so that no terminal's signal reaches it, and without any file it is not
// handed. Go's own files are not inherited, but those are that this process was
// started with: a shell's pipe, say, which would have no end while a controller
// lives.
func apart() *syscall.SysProcAttr {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		open = nil // there is no such directory in some sandboxes; it is a courtesy only
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > int(os.Stderr.Fd()) {
			syscall.CloseOnExec(fd)
		}
	}
	return &syscall.SysProcAttr{Setsid: true}
}
