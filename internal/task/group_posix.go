// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build linux || darwin

package task

import (
	"errors"
	"fmt"
	"syscall"
)

// Signal sends sig to a script that was started by [Scripts], and to what it has
// started, unless that has left its process group. That there is nobody left to
// hear it is no error.
func Signal(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(-pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling process group %d: %w", pid, err)
	}
	return nil
}
