// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// python skips a test where there is no Python, but not in CI.
func python(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI is to receive a program by receive.py: there is no python3")
		}
		t.Skip("there is no python3 on PATH, which every machine with cloud-init has")
	}
}

// A machine that has its user data and nothing else becomes one that serves.
func TestAMachineIsFurnishedFromNothing(t *testing.T) {
	python(t)
	r := newRig(t, time.Hour)
	r.unit()
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "app.txt"), []byte("the app\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	digests, open := packed(t, work)
	s := r.supplies("cat app.txt; echo $HOST:$PORT $SERVE_REPLICA_ID $GREETING; exit 3")
	s.Bundle = open
	s.Order.Task.Workdir = digests[0]
	s.Order.Task.Setup = "echo set up"
	s.Order.Task.Secrets = map[string]string{"GREETING": "hello"}
	c := r.client()
	r.furnish(c, s)
	state := r.await(c, "the end of run", exited)
	if state.Last != PhaseRun || state.ExitCode != 3 {
		t.Errorf("the state is %+v, want that run has ended with 3", state)
	}
	want := "set up\nthe app\n127.0.0.1:8080 7 hello\n"
	if got := r.log(c); got != want {
		t.Errorf("it printed %q, want %q", got, want)
	}
}
