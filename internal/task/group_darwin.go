// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package task

import "syscall"

// below is how a script is started: in a process group of its own.
func below() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Runs reports whether anything of a script that was started by [Scripts] still
// runs, itself or what it has started, unless that has left its process group.
func Runs(pid int) bool { return syscall.Kill(-pid, 0) == nil }
