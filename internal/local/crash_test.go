// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/changes"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// reserved does the first half of a launch and leaves it there, as a controller
// does that is killed in the middle of it.
func (f *fixture) reserved(req serve.LaunchRequest) site {
	f.Helper()
	var s site
	err := f.inMarket(f.ctx, func(h home, cfg config) (err error) {
		s, err = f.reserve(f.ctx, h, cfg, req)
		return err
	})
	if err != nil {
		f.Fatalf("reserving: %v", err)
	}
	return s
}

func TestALaunchCutShortIsListedAndCanBeEndedOrDoneAgain(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name string
		cut  func(f *fixture, s site, req serve.LaunchRequest)
	}{
		{"before anything is in the directory but its tags", func(*fixture, site, serve.LaunchRequest) {}},
		{"when the working copy is there", func(f *fixture, s site, req serve.LaunchRequest) {
			if err := furnish(f.ctx, s.dir, req); err != nil {
				f.Fatal(err)
			}
		}},
		{"when the machine was started and has not begun", func(f *fixture, s site, _ serve.LaunchRequest) {
			// A process that holds the lock and has the tags, and nothing more.
			sleeper(f.T, tagsOf(s.home, s.instance.Ref), s.lock)
		}},
	}
	for _, step := range steps {
		for _, then := range []string{"ended", "done again"} {
			t.Run(step.name+", is "+then, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, nil)
				req := f.request(1, "exec sleep 3600")
				s := f.reserved(req)
				step.cut(f, s, req)
				// The launcher dies: the kernel closes its files.
				s.lock.Close()

				later := newCloud(f.home)
				list, err := later.List(f.ctx, "web")
				if err != nil || len(list) != 1 || list[0].Running || list[0].Ref != req.Ref {
					t.Fatalf("List = %+v, %v; want the half made machine", list, err)
				}
				if then == "ended" || step.name[:4] == "when" && f.record(req.Ref).locked {
					if err := later.Terminate(f.ctx, req.Ref); err != nil {
						t.Fatalf("Terminate: %v", err)
					}
					f.nothingRuns()
					if list, err := later.List(f.ctx, "web"); err != nil || len(list) != 0 {
						t.Errorf("List = %+v, %v; want nothing", list, err)
					}
				}
				if i, err := later.Launch(f.ctx, req); err != nil || !i.Running {
					t.Errorf("Launch = %+v, %v; want a running machine", i, err)
				}
			})
		}
	}
}

func TestWhatACrashHasLeftIsClearedAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	left := func() (names []string) {
		for _, dir := range []string{f.home.replicas(), f.home.controllers()} {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
		}
		return names
	}
	leave := func(dirs ...string) {
		for _, dir := range dirs {
			// As a module cache is: nothing in it may be removed.
			if err := os.MkdirAll(filepath.Join(dir, "read-only", "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, "read-only"), 0o500); err != nil {
				t.Fatal(err)
			}
		}
	}
	leave(filepath.Join(f.home.replicas(), unborn+"123"), filepath.Join(f.home.replicas(), buried+"web-9-abc"))
	req := f.request(1, "exec sleep 3600")
	f.launch(req)
	if got := left(); len(got) != 1 {
		t.Errorf("after a launch there are %q, want the machine alone", got)
	}
	leave(filepath.Join(f.home.replicas(), buried+"web-9-abc"), filepath.Join(f.home.controllers(), buried+"web"))
	if _, err := newDeployer(f.home).Destroy(f.ctx, "web"); err != nil {
		t.Errorf("Destroy: %v", err)
	}
	if got := left(); len(got) != 0 {
		t.Errorf("after destroy there are %q, want nothing", got)
	}
}

func TestAMachineOutlivesItsLauncherAndIsFoundAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, "exec sleep 3600")
	first := f.launch(req)
	later := newCloud(f.home)
	again, err := later.Launch(f.ctx, req)
	if err != nil || again != first {
		t.Errorf("Launch = %+v, %v; want the machine that is there, %+v", again, err, first)
	}
	notices, _ := f.watch(later)
	p := f.record(req.Ref).state.Process
	if err := p.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if n := f.await(notices, serve.NoticeGone); n.Ref != req.Ref {
		t.Errorf("told of %+v, want %+v", n.Ref, req.Ref)
	}
	if dead, err := later.Launch(f.ctx, req); err != nil || dead.Running {
		t.Errorf("Launch of a dead machine = %+v, %v; want it as it is", dead, err)
	}
}

func TestAWatchThatBeginsAgainMissesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, "exec sleep 3600")
	f.launch(req)
	for range 3 {
		_, stop := f.watch(newCloud(f.home))
		stop()
	}
	if err := f.record(req.Ref).state.Process.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		notices, stop := f.watch(newCloud(f.home))
		if n := f.await(notices, serve.NoticeGone); n.Ref != req.Ref {
			t.Errorf("told of %+v, want %+v", n.Ref, req.Ref)
		}
		stop()
	}
}

func TestTerminateBreaksOffALaunch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *config) { c.BootSeconds = 3600 })
	req := f.request(1, "exec sleep 3600")
	launched := make(chan error)
	watch, err := changes.Watch(f.home.replicas())
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	go func() {
		_, err := f.Launch(f.ctx, req)
		launched <- err
	}()
	for filepath.Join(f.home.replica(req.Ref)) != (<-watch.Events).Name {
	}
	if list, err := f.List(f.ctx, "web"); err != nil || len(list) != 1 || list[0].Running {
		t.Errorf("List = %+v, %v; want a machine that is being made", list, err)
	}
	if err := f.Terminate(f.ctx, req.Ref); err != nil {
		t.Errorf("Terminate: %v", err)
	}
	if err := <-launched; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Launch = %v, want that it was terminated", err)
	}
}

// sleeper starts a process that sleeps until the test ends.
func sleeper(t *testing.T, env []string, files ...*os.File) process {
	t.Helper()
	// Killed by the context, which ends before the cleanups run.
	cmd := exec.CommandContext(t.Context(), "sleep", "3600")
	cmd.Env = env
	cmd.ExtraFiles = files
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Wait(); err == nil {
			t.Error("the sleeper has slept its time")
		}
	})
	p, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAProcessIsNeverTakenForAnotherWithItsID(t *testing.T) {
	t.Parallel()
	sleep := sleeper(t, nil)
	// What a record says that was written before the id came round to sleep.
	stale := process{PID: sleep.PID, Start: "12"}
	if err := stale.signal(syscall.SIGKILL); err != nil {
		t.Errorf("signalling a process that is gone: %v", err)
	}
	if err := stale.wait(t.Context()); err != nil {
		t.Errorf("waiting for a process that is gone: %v", err)
	}
	if !sleep.alive() || stale.alive() {
		t.Errorf("alive: the real one %t, the stale one %t", sleep.alive(), stale.alive())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := sleep.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a living process = %v, want the context's error", err)
	}
	if err := sleep.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := sleep.wait(t.Context()); err != nil {
		t.Errorf("waiting for the killed process: %v", err)
	}
}

func TestTerminateSparesAProcessWithARecycledID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, "exec sleep 3600")
	f.launch(req)
	r := f.record(req.Ref)
	if err := kill(f.ctx, f.home, r); err != nil {
		t.Fatal(err)
	}
	bystander := sleeper(t, nil)
	r.state.Process.PID = bystander.PID
	if err := jsonfile.Write(filepath.Join(r.dir, stateFile), r.state); err != nil {
		t.Fatal(err)
	}
	if err := f.Terminate(f.ctx, req.Ref); err != nil {
		t.Errorf("Terminate: %v", err)
	}
	if !bystander.alive() {
		t.Error("the bystander is gone")
	}
}

func TestStragglersAreFoundWhateverTheyDo(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"in the background":               "sleep 3601 & echo up; wait",
		"in a session of its own":         "setsid -f sleep 3601; echo up; sleep 3602",
		"left behind by a run that ended": "setsid -f sleep 3601; echo up",
		"without its environment":         "env -i sleep 3601 & echo up; wait",
		"deaf to SIGTERM":                 "trap '' TERM; echo up; sleep 3601",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			for id, lose := range []bool{false, true} {
				req := f.request(int64(id)+1, script)
				f.launch(req)
				f.printed(req.Ref, "up")
				if lose {
					if err := os.RemoveAll(f.home.replica(req.Ref)); err != nil {
						t.Fatal(err)
					}
				}
				if list, err := f.List(f.ctx, "web"); err != nil || len(list) != 1 || list[0].Running == lose {
					t.Errorf("List = %+v, %v; want one machine, running: %t", list, err, !lose)
				}
				if err := f.Terminate(f.ctx, req.Ref); err != nil {
					t.Fatalf("Terminate: %v", err)
				}
				f.nothingRuns()
			}
		})
	}
}

func TestAProgramDiesWithItsMachine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, "sleep 3601 & echo $$; echo up; wait")
	f.launch(req)
	f.printed(req.Ref, "up")
	shell := f.firstNumber(req.Ref)
	p, err := identify(shell)
	if err != nil {
		t.Fatal(err)
	}
	notices, _ := f.watch(f.Cloud)
	if err := f.record(req.Ref).state.Process.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.await(notices, serve.NoticeGone)
	// By the kernel, or by the watch.
	if err := p.wait(f.ctx); err != nil {
		t.Errorf("the shell is still there: %v", err)
	}
}

// firstNumber reads the number the replica has printed first.
func (f *fixture) firstNumber(ref serve.Ref) int {
	f.Helper()
	log, err := f.Logs(f.ctx, ref, serve.LogOptions{})
	if err != nil {
		f.Fatal(err)
	}
	defer log.Close()
	line := make([]byte, 100)
	n, _ := log.Read(line)
	for i, b := range line[:n] {
		if b == '\n' {
			number, err := strconv.Atoi(string(line[:i]))
			if err != nil {
				f.Fatal(err)
			}
			return number
		}
	}
	f.Fatalf("no line in %q", line[:n])
	return 0
}
