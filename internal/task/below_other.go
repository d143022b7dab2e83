// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build !linux && !darwin

package task

import "syscall"

// below is how a script is started: there are no process groups here.
func below() *syscall.SysProcAttr { return nil }
