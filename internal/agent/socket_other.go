// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package agent

// impatient does nothing: only Linux lets one say how long to wait.
func impatient(uintptr, int) error { return nil }
