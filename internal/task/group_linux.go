// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package task

import "syscall"

// below is how a script is started: in a process group of its own, and to die
// with the thread that started it.
func below() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
