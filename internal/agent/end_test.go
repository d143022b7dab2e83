// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slow is a program that takes a while to end when it is asked to, and says so.
// Those that it has started are asked too, which the shell would say.
const slow = `exec 2>/dev/null; trap 'echo asked; while [ ! -e go ]; do sleep 0.02; done; echo over; exit' TERM
echo begun
while :; do sleep 0.02; done`

// switches puts a shutdown first on PATH that takes note of being called.
func (r *rig) switches() (called func() bool) {
	r.Helper()
	bin := r.TempDir()
	note := filepath.Join(bin, "called")
	script := "#!/bin/sh\n[ \"$*\" = '-h now' ] && touch " + note + "\n"
	if err := os.WriteFile(filepath.Join(bin, "shutdown"), []byte(script), 0o700); err != nil {
		r.Fatal(err)
	}
	r.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return func() bool {
		_, err := os.Stat(note)
		return err == nil
	}
}

func begun(log string) bool { return strings.Contains(log, "begun\n") }

func asked(log string) bool { return strings.Contains(log, "asked\n") }

// A machine that is shut down asks its program to end, tells so, and answers for
// as long as the program takes.
func TestAProgramIsAskedToEnd(t *testing.T) {
	r := newRig(t, time.Hour)
	stop := r.agent()
	c := r.client()
	r.furnish(c, r.supplies(slow))
	r.printed(c, begun)
	before := time.Now()
	ended := make(chan struct{})
	go func() { defer close(ended); stop() }()
	s := r.await(c, "a warning", func(s State) bool { return len(s.Warnings) > 0 })
	if w := s.Warnings[0]; w.Kind != WarningShutdown || w.Deadline.Before(before.Add(grace)) || w.Deadline.After(time.Now().Add(grace)) {
		t.Errorf("the warning is %+v, want one of a shutdown in %v", w, grace)
	}
	r.printed(c, asked)
	select {
	case <-ended:
		t.Fatal("the agent has ended before its program")
	default:
	}
	r.touch("go")
	<-ended
	text, err := os.ReadFile(filepath.Join(r.dir, logDir, logFile))
	if want := "begun\nasked\nover\n"; err != nil || string(text) != want {
		t.Errorf("the log is %q, want %q: %v", text, want, err)
	}
	// It did not fail, and is run again if the machine comes back.
	r.agent()
	r.eventually("the agent is there again", func() bool { _, err := c.State(r.ctx); return err == nil })
	r.printed(c, func(log string) bool { return strings.Count(log, "begun\n") == 2 })
}

// A program is asked to end when its time is just enough for that, and not before.
func TestAProgramHasTheTimeOfTheNotice(t *testing.T) {
	const left = time.Second // beside the time to end
	r := newRig(t, time.Hour)
	r.agent()
	c := r.client()
	r.furnish(c, r.supplies(slow))
	r.printed(c, begun)
	deadline := time.Now().Add(grace + left + ec2Pause)
	r.cloud.say("spot/instance-action", fmt.Sprintf(`{"action": "terminate", "time": %q}`, deadline.Format(time.RFC3339Nano)))
	r.await(c, "the notice", func(s State) bool { return len(s.Warnings) == 1 })
	if log := r.log(c); asked(log) {
		t.Errorf("it was asked to end %v early", time.Until(deadline)-grace)
	}
	r.await(c, "the last call", func(s State) bool { return len(s.Warnings) == 2 })
	if early := time.Until(deadline) - grace; early > 0 {
		t.Errorf("it was asked to end %v early", early)
	}
	r.printed(c, asked)
	r.touch("go")
	r.printed(c, func(log string) bool { return strings.HasSuffix(log, "over\n") })
	// It has ended because it had to: that is no news of the program.
	if s, err := c.State(r.ctx); err != nil || s.Phase != PhaseRun {
		t.Errorf("the state is %+v: %v", s, err)
	}
}

// The agent has ended, program and all, before whoever stops it has no patience any
// more, which is before a machine that is preempted on short notice is gone.
func TestThereIsTimeToEnd(t *testing.T) {
	r := newRig(t, time.Hour)
	text, err := os.ReadFile(filepath.Join(r.dir, "serve-agent.service"))
	if err != nil {
		t.Fatal(err)
	}
	var seconds int
	_, after, _ := strings.Cut(string(text), "TimeoutStopSec=")
	if _, err := fmt.Sscan(after, &seconds); err != nil {
		t.Fatal(err)
	}
	patience := time.Duration(seconds) * time.Second
	if patience < grace+farewell+time.Second || patience > gceNotice {
		t.Errorf("the service has %v, its program %v and the machine %v", patience, grace, gceNotice)
	}
}

// A machine that hears from nobody for its lease ends its program and itself.
func TestAMachineThatNobodyTalksToEndsItself(t *testing.T) {
	r := newRig(t, time.Hour)
	called := r.switches()
	r.agent()
	c := r.client()
	s := r.supplies(slow)
	s.Order.Lease = 2 * time.Second
	r.furnish(c, s)
	r.printed(c, begun)
	<-time.After(s.Order.Lease / 2)
	if called() {
		t.Fatal("it has ended before its lease")
	}
	log := func() string {
		text, err := os.ReadFile(filepath.Join(r.dir, logDir, logFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	r.eventually("the program is asked to end", func() bool { return asked(log()) })
	if called() {
		t.Error("the machine was switched off before its program had ended")
	}
	r.touch("go")
	r.eventually("the machine is switched off", called)
	if got, want := log(), "begun\nasked\nover\n"; got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
}

// So does a machine that was never talked to, before and after it has its program.
func TestAMachineThatNobodyFurnishesEndsItself(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds until two leases have run out")
	}
	for name, start := range map[string]func(*rig){
		"without a program": func(r *rig) { python(r.T); r.unit() },
		"without an order":  func(r *rig) { r.agent() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2*time.Second)
			called := r.switches()
			start(r)
			c := r.client()
			r.eventually("the machine answers", func() bool { _, err := c.State(r.ctx); return err == nil })
			// Talked to it stays, for longer than its lease.
			ctx, cancel := context.WithTimeout(r.ctx, 3*time.Second)
			defer cancel()
			for ctx.Err() == nil {
				if _, err := c.State(r.ctx); err != nil || called() {
					t.Fatalf("it has ended although it was talked to: %v", err)
				}
				<-time.After(100 * time.Millisecond)
				c.Close() // each time it connects anew
			}
			// Strangers do not keep it up.
			stranger := NewClient(ClientOptions{Address: r.address, Keys: keysOf(t, otherSecret(), 7), Young: true})
			r.eventually("it is switched off", func() bool { _, _ = stranger.State(r.ctx); return called() })
		})
	}
}
