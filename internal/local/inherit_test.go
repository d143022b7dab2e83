// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build linux || darwin

package local

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A process set apart does not keep a pipe open that its starter was given.
func TestApartInheritsNothing(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// As a shell hands down its files: a descriptor that survives an exec.
	handed, err := syscall.Dup(int(w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	cmd := exec.Command("sleep", "3600")
	cmd.SysProcAttr = apart()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		// It was killed, so there is nothing to learn from how it ended.
		_ = cmd.Wait()
	}()
	if err := syscall.Close(handed); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the pipe is open still: %v", err)
	}
}
