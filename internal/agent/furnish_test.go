// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
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

func TestALogIsFollowed(t *testing.T) {
	r := newRig(t, time.Hour)
	stop := r.agent()
	c := r.client()
	r.furnish(c, r.supplies("echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; exec sleep 60"))
	log, err := c.Logs(r.ctx, serve.LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	lines := bufio.NewReader(log)
	for _, want := range []string{"one\n", "two\n"} {
		if got, err := lines.ReadString('\n'); got != want || err != nil {
			t.Fatalf("the log goes on with %q, want %q: %v", got, want, err)
		}
		r.touch("go")
	}
	go stop()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("a machine that ends in order ends its log with %q: %v", rest, err)
	}
}

func TestOnlyTheLastLinesAreAskedFor(t *testing.T) {
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	r.furnish(c, r.supplies("seq 1 100"))
	r.await(c, "the end of run", exited)
	log, err := c.Logs(r.ctx, serve.LogOptions{Tail: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if text, err := io.ReadAll(log); err != nil || string(text) != "99\n100\n" {
		t.Errorf("the last two lines are %q: %v", text, err)
	}
}

// The log of a program that prints for ever does not fill the disk.
func TestALogIsBounded(t *testing.T) {
	const most = (logfile.Backups + 1) * logfile.Megabytes << 20
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	r.furnish(c, r.supplies("yes 0123456789012345678901234567890123456789012345678901234567890 | head -c 80000000; touch done; exec sleep 60"))
	r.eventually("the log is no larger than it may be", func() bool {
		if _, err := os.Stat(r.work("done")); err != nil {
			return false
		}
		var size int64
		err := filepath.WalkDir(filepath.Join(r.dir, logDir), func(path string, e os.DirEntry, err error) error {
			if info, err := os.Stat(path); err == nil && !e.IsDir() {
				size += info.Size()
			}
			return err
		})
		return err == nil && size <= most
	})
}

func TestAMachineHasOneOrder(t *testing.T) {
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	s := r.supplies("echo begun; exec sleep 60")
	r.furnish(c, s)
	r.printed(c, func(log string) bool { return log == "begun\n" })
	s.Order.Lease = time.Minute
	r.furnish(c, s) // by a controller that was started again, say
	other := s
	other.Order.Task.Run = "echo other"
	if err := c.Furnish(r.ctx, other); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("another order gives %v, want %v", err, serve.ErrConflict)
	}
	if log := r.log(c); log != "begun\n" {
		t.Errorf("the program was disturbed: it has printed %q", log)
	}
}

// An agent that has died is started again, and goes on where it was: what it was
// running has died with it, and a setup that has succeeded is not done twice.
func TestAnAgentThatHasDiedGoesOn(t *testing.T) {
	python(t)
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux does a program die with who has started it")
	}
	r := newRig(t, time.Hour)
	r.unit()
	c := r.client()
	s := r.supplies("echo $$; exec sleep 60")
	s.Order.Task.Setup = "echo set up"
	r.furnish(c, s)
	lines := func(n int) func(string) bool {
		return func(log string) bool { return strings.Count(log, "\n") == n }
	}
	first := strings.Fields(r.printed(c, lines(2)))
	r.kill()
	r.eventually("the agent is there again", func() bool { _, err := c.State(r.ctx); return err == nil })
	second := strings.Fields(r.printed(c, lines(3)))
	if second[0] != "set" || second[2] != first[2] {
		t.Errorf("it printed %q, and then %q: the log was not kept", first, second)
	}
	// Whoever is to take note of its end may not have done so yet.
	status, err := os.ReadFile(filepath.Join("/proc", first[2], "stat"))
	if err == nil && !strings.Contains(string(status), ") Z ") {
		t.Errorf("the first program is there beside the second: %s", status)
	}
}

func TestAnEndIsNotForgotten(t *testing.T) {
	python(t)
	r := newRig(t, time.Hour)
	r.unit()
	c := r.client()
	r.furnish(c, r.supplies("echo begun; exit 3"))
	before := r.await(c, "the end of run", exited)
	r.kill()
	r.eventually("the agent is there again", func() bool { _, err := c.State(r.ctx); return err == nil })
	if after := r.await(c, "the end of run", exited); after.ExitCode != before.ExitCode || after.Last != before.Last {
		t.Errorf("the end was %+v, and is %+v", before, after)
	}
	if log := r.log(c); log != "begun\n" {
		t.Errorf("it was run again: it has printed %q", log)
	}
}

func TestASetupThatFailsIsTheEnd(t *testing.T) {
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	s := r.supplies("echo run")
	s.Order.Task.Setup = "echo set up; kill -KILL $$"
	r.furnish(c, s)
	state := r.await(c, "the end of setup", exited)
	if state.Last != PhaseSetup || state.ExitCode != 137 {
		t.Errorf("the state is %+v, want that setup has ended with 137", state)
	}
	if log := r.log(c); log != "set up\n" {
		t.Errorf("it printed %q", log)
	}
}

func TestOrdersThatCannotBeAreRefused(t *testing.T) {
	tests := map[string]func(*Order){
		"no port":               func(o *Order) { o.Port = 0 },
		"a port too high":       func(o *Order) { o.Port = 65536 },
		"no lease":              func(o *Order) { o.Lease = 0 },
		"no digest":             func(o *Order) { o.Task.Workdir = "md5:0123" },
		"a digest with a path":  func(o *Order) { o.Task.Workdir = "sha256:../../../etc/passwd" },
		"a mount that gets out": func(o *Order) { o.Task.FileMounts = map[string]string{"../x": o.Task.FileMounts["app"]} },
		"a mount on everything": func(o *Order) { o.Task.FileMounts = map[string]string{".": o.Task.FileMounts["app"]} },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, time.Hour)
			r.agent()
			s := r.supplies("true")
			digests, open := packed(t, "furnish_test.go")
			s.Bundle, s.Order.Task.FileMounts = open, map[string]string{"app": digests[0]}
			spoil(&s.Order)
			if err := r.client().Furnish(r.ctx, s); !errors.Is(err, serve.ErrInvalid) {
				t.Errorf("Furnish gives %v, want %v", err, serve.ErrInvalid)
			}
		})
	}
}
