// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// needRestarts skips what only clouds can do whose machines can be given another
// task.
func (t *cloudTest) needRestarts() serve.Restarter {
	t.Helper()
	restarter, ok := t.cloud.(serve.Restarter)
	if !ok {
		t.Skip("its machines cannot be given another task")
	}
	return restarter
}

func (t *cloudTest) restart() {
	restarter := t.needRestarts()
	req := t.request()
	before := t.launched(req)
	req.Revision, req.Task.Run = 4, "echo third; exec sleep 3600"
	for range 2 { // the second time there is nothing left to do
		after, err := restarter.Restart(t.ctx, req)
		if err != nil {
			t.Fatalf("Restart: %v", err)
		}
		want := before
		want.Revision = 4
		if !same(after, want) {
			t.Errorf("Restart = %+v, want %+v", after, want)
		}
		if list := t.listed("web"); len(list) != 1 || !same(list[0], want) {
			t.Errorf("List = %+v, want %+v alone", list, want)
		}
	}
	if again, err := t.cloud.Launch(t.ctx, req); err != nil || !same(again, t.listed("web")[0]) {
		t.Errorf("Launch of what is there = %+v, %v", again, err)
	}
	if t.hooks.Scripts {
		t.prints(req.Ref, "third")
	}
}

// prints waits until a program has printed a line.
func (t *cloudTest) prints(ref serve.Ref, line string) {
	t.Helper()
	log, err := t.cloud.Logs(t.ctx, ref, serve.LogOptions{Follow: true})
	if err != nil {
		t.Fatalf("Logs: %v", err)
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if lines.Text() == line {
			return
		}
	}
	t.Errorf("the log ends before %q: %v", line, lines.Err())
}

func (t *cloudTest) restartExited() {
	restarter := t.needRestarts()
	t.needScripts()
	notices := t.watch()
	req := t.request()
	req.Task.Run = "exit 3"
	t.launched(req)
	if n := t.await(notices, serve.NoticeExited); n.ExitCode != 3 || n.Revision != 0 && n.Revision != 3 {
		t.Errorf("the first program: %+v", n)
	}
	req.Revision, req.Task.Setup, req.Task.Run = 4, "sleep 3600", "true"
	if _, err := restarter.Restart(t.ctx, req); err != nil {
		t.Fatalf("Restart of a machine whose program has ended: %v", err)
	}
	// The end of what was asked to end is no news.
	req.Revision, req.Task.Setup, req.Task.Run = 5, "", "exit 5"
	if _, err := restarter.Restart(t.ctx, req); err != nil {
		t.Fatalf("Restart of a machine in its setup: %v", err)
	}
	if n := t.await(notices, serve.NoticeExited); n.ExitCode != 5 || n.Revision != 0 && n.Revision != 5 {
		t.Errorf("the last program: %+v", n)
	}
}

func (t *cloudTest) restartNothing() {
	restarter := t.needRestarts()
	req := t.request()
	if i, err := restarter.Restart(t.ctx, req); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Restart of no machine = %+v, %v", i, err)
	}
	t.wantNothing()
	if t.hooks.Kill == nil {
		return
	}
	i := t.launched(req)
	t.hooks.Kill(t.T, t.cloud, i)
	req.Revision++
	if i, err := restarter.Restart(t.ctx, req); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Restart of a dead machine = %+v, %v", i, err)
	}
}

func (t *cloudTest) restartInvalid() {
	restarter := t.needRestarts()
	req := t.request()
	req.Task.FileMounts = map[string]string{"data": "sha256:" + strings.Repeat("0", 64)}
	before := req
	before.Task.FileMounts = nil
	i := t.launched(before)
	req.Revision++
	req.Bundle = func(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound }
	if _, err := restarter.Restart(t.ctx, req); err == nil {
		t.Error("Restart with a bundle that is not there succeeds")
	}
	if list := t.listed("web"); len(list) != 1 || !same(list[0], i) {
		t.Errorf("after a restart that failed there is %+v, want %+v as it was", list, i)
	}
}
