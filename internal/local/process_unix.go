// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build linux || darwin

package local

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// noticeSignal tells a machine to read its notice.
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
// so that no terminal's signal reaches it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
