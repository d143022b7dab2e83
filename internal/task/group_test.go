// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build linux || darwin

package task

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A group runs for as long as anybody in it does, whether the script that began it
// is there or not.
func TestAGroupRunsWhileAnybodyInItDoes(t *testing.T) {
	t.Parallel()
	script := exec.CommandContext(t.Context(), "sh", "-c", "sleep 60 & read line")
	script.SysProcAttr = below()
	goOn, err := script.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	pid := script.Process.Pid
	if !Runs(pid) {
		t.Error("it does not run, and has just begun")
	}
	goOn.Close()
	if err := script.Wait(); err != nil {
		t.Log("the script has ended:", err)
	}
	if !Runs(pid) {
		t.Error("it does not run, and what it has started does")
	}
	if err := Signal(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); Runs(pid); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it runs, and all in it were killed")
		}
	}
	if err := Signal(pid, syscall.SIGKILL); err != nil {
		t.Errorf("that there is nobody to hear it is an error: %v", err)
	}
}
