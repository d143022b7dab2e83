// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build !linux && !darwin

package task

import (
	"errors"
	"fmt"
	"syscall"
)

// below is how a script is started: there are no process groups here.
func below() *syscall.SysProcAttr { return nil }

// Signal sends sig to a script that was started by [Scripts], and to what it has
// started.
func Signal(pid int, _ syscall.Signal) error {
	return fmt.Errorf("signalling process group %d: %w", pid, errors.ErrUnsupported)
}

// Runs reports whether anything of a script still runs, which cannot be known here.
func Runs(int) bool { return false }
