// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A later order has the program of the one before asked to end, and then all of its
// own: another working directory, setup, and a program.
func TestALaterOrderTakesTheMachine(t *testing.T) {
	r := newRig(t, time.Hour)
	t.Setenv("HOME", t.TempDir())
	r.agent()
	c := r.client()
	digests, open := packed(t, "doc.go", "pin.go")
	first := r.supplies("touch left ~/kept; " + slow)
	first.Bundle, first.Order.Revision = open, 3
	first.Order.Task.FileMounts = map[string]string{"app": digests[0], "~/conf/a": digests[0]}
	r.furnish(c, first)
	r.printed(c, begun)

	second := r.supplies("test ! -e left && grep -c tls app >/dev/null && ls ~ ~/conf && echo second; exec sleep 60")
	second.Bundle, second.Order.Revision = open, 4
	second.Order.Task.FileMounts = map[string]string{"app": digests[1], "~/conf/b": digests[1]}
	second.Order.Task.Setup = "echo set up"
	furnished := make(chan error, 1)
	go func() { furnished <- c.Furnish(r.ctx, second) }()
	r.printed(c, asked)
	r.touch("go")
	if err := <-furnished; err != nil {
		t.Fatal(err)
	}
	log := r.printed(c, func(log string) bool { return strings.HasSuffix(log, "second\n") })
	home := os.Getenv("HOME")
	if want := "begun\nasked\nover\nset up\n" + home + ":\nconf\nkept\n\n" + home + "/conf:\nb\nsecond\n"; log != want {
		t.Errorf("it printed %q, want %q", log, want)
	}
	r.furnish(c, second) // again, by who does not know that it was done
	if s, err := c.State(r.ctx); err != nil || s.Phase != PhaseRun || s.Revision != 4 {
		t.Errorf("the state is %+v: %v", s, err)
	}
	if err := c.Furnish(r.ctx, first); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("an earlier order gives %v, want %v", err, serve.ErrConflict)
	}
	second.Order.Ref.Replica, second.Order.Revision = 8, 5
	if err := c.Furnish(r.ctx, second); !errors.Is(err, serve.ErrConflict) {
		t.Errorf("an order of another replica gives %v, want %v", err, serve.ErrConflict)
	}
}

// The end of a program that had to end is no news, and that of the last one is.
func TestOrdersThatFollowEachOther(t *testing.T) {
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	lock := filepath.Join(t.TempDir(), "lock")
	s := r.supplies("exit 3")
	s.Order.Revision = 1
	r.furnish(c, s)
	r.await(c, "the end of the first", exited)
	// Programs of two orders are never there at the same time.
	s.Order.Task.Setup = "trap 'rmdir " + lock + "; exit 4' TERM; mkdir " + lock + " || echo twice; while :; do sleep 0.01; done"
	for range 5 {
		s.Order.Revision++
		r.furnish(c, s)
		r.eventually("it is set up", func() bool { _, err := os.Stat(lock); return err == nil })
	}
	s.Order.Revision++
	s.Order.Task.Setup, s.Order.Task.Run = "", "exit 5"
	r.furnish(c, s)
	state := r.await(c, "the end of the last", func(s State) bool { return s.Phase == PhaseExited })
	if state.Revision != s.Order.Revision || state.ExitCode != 5 || state.Last != PhaseRun {
		t.Errorf("the end is %+v, want that of revision %d with 5", state, s.Order.Revision)
	}
	if log := r.log(c); strings.Contains(log, "twice") {
		t.Errorf("programs of two orders were there at the same time: %s", log)
	}
}

// While the files of a later order are not there the machine goes on as before.
func TestAnOrderThatCannotBeFurnishedDisturbsNothing(t *testing.T) {
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	s := r.supplies("echo begun; exec sleep 60")
	r.furnish(c, s)
	r.printed(c, begun)
	s.Order.Revision = 1
	s.Order.Task.Workdir = "sha256:" + strings.Repeat("0", 64)
	if err := c.Furnish(r.ctx, s); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Furnish gives %v, want %v", err, serve.ErrNotFound)
	}
	if state, err := c.State(r.ctx); err != nil || state.Phase != PhaseRun || state.Revision != 0 {
		t.Errorf("the state is %+v: %v", state, err)
	}
}

// An agent that died when it had taken a later order, and had done nothing about it
// yet, begins with that from the start.
func TestALaterOrderIsNotTakenForDone(t *testing.T) {
	r := newRig(t, time.Hour)
	key := seedOf(r.keys.machine)
	order := r.supplies("echo second").Order
	order.Revision, order.Task.Setup = 4, "echo set up"
	err := errors.Join(
		jsonfile.Write(filepath.Join(r.dir, orderFile), sealedOrder{Order: order, Key: key}),
		jsonfile.Write(filepath.Join(r.dir, progressFile), State{Phase: PhaseExited, Last: PhaseRun, ExitCode: 3, Revision: 3}),
	)
	if err != nil {
		t.Fatal(err)
	}
	r.agent()
	c := r.client()
	r.eventually("the machine answers", func() bool { _, err := c.State(r.ctx); return err == nil })
	state := r.await(c, "the end of the second", exited)
	if log := r.log(c); log != "set up\nsecond\n" || state.ExitCode != 0 {
		t.Errorf("it printed %q: %+v", log, state)
	}
}

// What a script has started has as long to end as the script, even if that ends at
// once, and no longer.
func TestWhatAScriptHasStartedHasTimeToEnd(t *testing.T) {
	r := newRig(t, time.Hour)
	stop := r.agent()
	c := r.client()
	r.furnish(c, r.supplies(fmt.Sprintf("sh -c %s; true", quoted(slow))))
	r.printed(c, begun)
	ended := make(chan struct{})
	go func() { defer close(ended); stop() }()
	r.printed(c, asked)
	select {
	case <-ended:
		t.Fatal("the agent has ended before what the script has started")
	case <-time.After(100 * time.Millisecond):
	}
	r.touch("go")
	<-ended
	text, err := os.ReadFile(filepath.Join(r.dir, logDir, logFile))
	if err != nil || !strings.HasSuffix(string(text), "over\n") {
		t.Errorf("the log is %q: %v", text, err)
	}
}

// An image is another one with another order, in a container of its own.
func TestALaterOrderHasItsOwnContainer(t *testing.T) {
	image := containers(t)
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	s := r.supplies("test ! -e /left && touch /left && echo begun; exec sleep 60")
	s.Order.Image = image
	s.Bundle = func(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound }
	for n := range 2 {
		s.Order.Revision++
		r.furnish(c, s)
		r.printed(c, func(log string) bool { return strings.Count(log, "begun\n") == n+1 })
	}
	if n := strings.Count(podman(t, nil, "ps", "-a", "-q"), "\n"); n != 1 {
		t.Errorf("there are %d containers, want 1", n)
	}
}
