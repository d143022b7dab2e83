// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build !linux && !darwin

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// The rest of the program works elsewhere too; replicas and controllers on this
// machine need sessions, inherited locks and a way to hold on to a process.

const (
	defaultAddressing = addressPort
	noticeSignal      = syscall.SIGTERM
)

func unsupported() error {
	return fmt.Errorf("the local cloud runs on Linux and macOS: %w", errors.ErrUnsupported)
}

type handle struct{}

func (p process) open() (*handle, error)      { return nil, unsupported() }
func (h *handle) close()                      {}
func (h *handle) signal(syscall.Signal) error { return unsupported() }
func (h *handle) wait(context.Context) error  { return unsupported() }
func identify(int) (process, error)           { return process{}, unsupported() }
func members(home) ([]member, error)          { return nil, nil }
func lockOpen(*os.File) error                 { return unsupported() }
func isOpenAs(uintptr, string) bool           { return false }
func keep(*os.File)                           {}
func apart() *syscall.SysProcAttr             { return nil }
