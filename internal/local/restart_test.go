// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestAMachineRunsAnotherTask(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(7, `
trap 'echo asked to end; exit 0' TERM
echo made > made.txt
echo downloaded > ~/cache.txt
echo begun
while true; do sleep 0.01; done`)
	req.Revision = 1
	req.Task.Workdir = "old"
	req.Task.FileMounts = map[string]string{"~/models/m.txt": "m1"}
	req.Bundle = bundles(t, map[string]string{
		"old": fileIn(t, "old.txt", "old\n"),
		"new": fileIn(t, "new.txt", "new\n"),
		"set": fileIn(t, "set.txt", "set\n"),
		"m1":  filepath.Join(fileIn(t, "m.txt", "model 1\n"), "m.txt"),
		"m2":  filepath.Join(fileIn(t, "m.txt", "model 2\n"), "m.txt"),
	})
	i := f.launch(req)
	f.printed(req.Ref, "begun")

	req.Revision = 2
	req.Task.Workdir, req.Task.Envs = "new", map[string]string{"GREETING": "hello"}
	req.Task.FileMounts = map[string]string{"data": "set", "~/models/m.txt": "m2"}
	req.Task.Setup = "echo setting up again"
	req.Task.Run = `ls; cat data/set.txt ~/models/m.txt ~/cache.txt; echo "$GREETING $PORT"; echo end; exec sleep 3600`
	after, err := f.Restart(f.ctx, req)
	if err != nil || after.ID != i.ID || after.Address != i.Address || after.Revision != 2 || !after.Running {
		t.Fatalf("Restart = %+v, %v", after, err)
	}
	f.printed(req.Ref, "asked to end")
	f.printed(req.Ref, "setting up again")
	f.printed(req.Ref, "data")
	f.printed(req.Ref, "new.txt")
	f.printed(req.Ref, "set")
	f.printed(req.Ref, "model 2")
	f.printed(req.Ref, "downloaded")
	f.printed(req.Ref, "end")
	work := filepath.Join(f.home.replica(req.Ref), workDir)
	for _, gone := range []string{filepath.Join(work, "old.txt"), filepath.Join(work, "made.txt"),
		filepath.Join(f.home.replica(req.Ref), orderFile)} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	if f.ordered(req.Ref) {
		t.Error("the place where the files were is still there")
	}
}

// Whoever has asked for a restart may die at any time, and the next one asks again.
func TestARestartIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(7, "trap '' TERM; while true; do sleep 0.01; done")
	req.Revision = 1
	i := f.launch(req)
	req.Revision, req.Task.Run = 2, "echo second; exec sleep 3600"
	ctx, die := context.WithCancel(f.ctx)
	asked := make(chan error, 1)
	go func() {
		_, err := f.Restart(ctx, req)
		asked <- err
	}()
	f.awaitOrder(req.Ref)
	die()
	<-asked
	// The program does not end when it is asked to, so that it takes a while.
	after, err := newCloud(f.home).Restart(f.ctx, req)
	if err != nil || after.Revision != 2 || after.ID != i.ID {
		t.Fatalf("Restart = %+v, %v", after, err)
	}
	f.printed(req.Ref, "second")
	if list, err := f.List(f.ctx, "web"); err != nil || len(list) != 1 || !list[0].Running {
		t.Errorf("List = %+v, %v", list, err)
	}
}

// A machine that is to end while its program is being changed does.
func TestARestartThatIsTerminated(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(7, "trap '' TERM; echo begun; while true; do sleep 0.01; done")
	req.Revision = 1
	f.launch(req)
	f.printed(req.Ref, "begun")
	again := req
	again.Revision = 2
	asked := make(chan error, 1)
	go func() {
		_, err := f.Restart(f.ctx, again)
		asked <- err
	}()
	f.awaitOrder(req.Ref)
	if err := f.Terminate(f.ctx, req.Ref); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err == nil {
		t.Error("the restart has succeeded")
	}
	if list, err := f.List(f.ctx, "web"); err != nil || len(list) != 0 {
		t.Errorf("List = %+v, %v", list, err)
	}
}

// ordered reports whether another task is being given to a machine.
func (f *fixture) ordered(ref serve.Ref) bool {
	f.Helper()
	found, err := filepath.Glob(filepath.Join(f.home.replica(ref), nextDir+"*"))
	if err != nil {
		f.Fatal(err)
	}
	return len(found) > 0
}

// awaitOrder waits until another task is being given to a machine.
func (f *fixture) awaitOrder(ref serve.Ref) {
	f.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !f.ordered(ref) {
		select {
		case <-look.C:
		case <-f.ctx.Done():
			f.Fatal("no other task is given")
		}
	}
}
