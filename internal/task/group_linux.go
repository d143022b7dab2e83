// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package task

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// below is how a script is started: in a process group of its own, and to die
// with the thread that started it.
func below() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Runs reports whether anything of a script that was started by [Scripts] still
// runs, itself or what it has started, unless that has left its process group.
// What has ended does not run, though nobody may have taken note of it yet.
func Runs(pid int) bool {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return false // the pattern is well formed
	}
	group := strconv.Itoa(pid)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// "pid (name) state parent group ...", where a name can be anything.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) > 2 && string(fields[2]) == group && string(fields[0]) != "Z" && string(fields[0]) != "X" {
			return true
		}
	}
	return false
}
