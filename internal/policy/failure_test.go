// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// waits steps until something is decided and gives how long that took. It goes
// from one Next to the other, so that it also shows that Next can be trusted.
func (w *world) waits(decisions string) time.Duration {
	w.t.Helper()
	begin := w.now
	for range 100 {
		if got := w.step(); got != "" {
			if got != decisions {
				w.t.Errorf("after %v: got %q, want %q", w.now.Sub(begin), got, decisions)
			}
			return w.now.Sub(begin)
		}
		if w.out.Next.IsZero() {
			break
		}
		if w.out.Hold == "" {
			w.t.Errorf("after %v: nothing is decided, and nothing says why", w.now.Sub(begin))
		}
		w.now = w.out.Next
	}
	w.t.Fatalf("%q is never decided", decisions)
	return 0
}

func TestFailedReplicasAreReplacedMoreAndMoreSlowly(t *testing.T) {
	t.Parallel()
	for _, status := range []serve.Status{serve.FailedProvision, serve.FailedProbing} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, onDemandSpec(fixed(1)))
			w.step()
			for i, want := range []string{"0s", "10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"} {
				id := int64(i + 1)
				w.pass(time.Second)
				w.become(id, status)
				if got := w.waits(fmt.Sprintf("launch on-demand %d", id+1)).String(); got != want {
					t.Errorf("failure %d: replaced after %v, not %v", id, got, want)
				}
				w.vanish(id) // a record that is gone must not be missed
			}
		})
	}
}

func TestHoldSaysWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)), "1 on-demand FAILED_PROVISION")
	w.step()
	w.pass(time.Second)
	w.become(2, serve.FailedProvision)
	w.want("the second failure", "")
	if want := "Replicas of revision 1 failed 2 times in a row, replica 2 last: the next is launched at 12:00:11 UTC."; w.out.Hold != want {
		t.Errorf("got  %q\nwant %q", w.out.Hold, want)
	}
}

func TestReadyReplicaProvesTheRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)), "1 on-demand FAILED_PROVISION")
	fail := func(id int64) {
		w.pass(time.Second)
		w.become(id, serve.FailedProbing)
	}
	w.step()
	fail(2)
	w.waits("launch on-demand 3")
	w.become(3, serve.Ready)
	w.want("replica 3 is ready", "")
	if want := w.now.Add(time.Minute); !w.out.Next.Equal(want) {
		t.Errorf("Next is %v, and the proof is there at %v", w.out.Next, want)
	}
	w.pass(59 * time.Second)
	w.want("for not long enough", "")
	if w.in.Memory.Failures.Count != 2 {
		t.Errorf("%d failures are remembered", w.in.Memory.Failures.Count)
	}
	w.pass(time.Second)
	w.want("for a minute", "")
	fail(3)
	if got := w.waits("launch on-demand 4"); got != 0 {
		t.Errorf("the first failure after the proof is replaced after %v", got)
	}
	fail(4)
	if got := w.waits("launch on-demand 5"); got != 10*time.Second {
		t.Errorf("the second failure after the proof is replaced after %v", got)
	}
}

func TestSiblingsFailForOneCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(3)))
	w.step()
	w.pass(time.Minute)
	for id := range int64(3) {
		w.pass(time.Second)
		w.become(id+1, serve.FailedProbing)
		w.want("one of three that were there together", fmt.Sprintf("launch on-demand %d", id+4))
	}
	w.pass(time.Second)
	w.become(4, serve.FailedProbing)
	if got := w.waits("launch on-demand 7"); got != 10*time.Second {
		t.Errorf("the first replacement to fail is replaced after %v", got)
	}
}

func TestRecordsTellWhatMemoryLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)))
	for id := range int64(3) {
		w.add(fmt.Sprintf("%d on-demand STARTING", id+1))
		w.find(id + 1).CreatedAt = w.now
		w.pass(time.Second)
		w.become(id+1, serve.FailedProbing)
	}
	if got := w.waits("launch on-demand 4"); got != 20*time.Second {
		t.Errorf("after three failures the next is launched after %v", got)
	}
}

func TestReplicaThatFailsAtOnceCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)), "1 on-demand PENDING")
	w.find(1).CreatedAt = w.now
	w.become(1, serve.FailedProvision)
	for range 3 {
		w.decide()
	}
	if got := w.in.Memory.Failures.Count; got != 1 {
		t.Errorf("one failure counts %d times", got)
	}
}

func TestUpdateForgetsFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)), "1 on-demand FAILED_PROVISION")
	w.step()
	w.pass(time.Second)
	w.become(2, serve.FailedProvision)
	w.want("held back", "")
	w.update(func(s *serve.Spec) { s.Run = "mended" })
	w.want("a new revision begins anew", "launch on-demand 3")
}

// Case R5, and what a purge of the record does.
func TestBrokenServiceIsNotLaunchedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(2)))
	w.step()
	w.pass(time.Second)
	w.become(1, serve.Failed)
	w.become(2, serve.Failed)
	w.want("both failed before they were ready", "")
	if w.out.Hold == "" || !w.out.Next.IsZero() {
		t.Errorf("Hold is %q and Next %v", w.out.Hold, w.out.Next)
	}
	w.vanish(1, 2)
	w.want("the records are purged", "launch on-demand 3, launch on-demand 4")
}

func TestRevisionThatWasReadyOnceIsNotBroken(t *testing.T) {
	t.Parallel()
	w := running(t, onDemandSpec(fixed(1)), 1)
	w.pass(time.Hour)
	w.become(1, serve.FailedProbing)
	w.want("it was ready", "launch on-demand 2")
	w.vanish(1)
	w.pass(time.Second)
	w.become(2, serve.FailedInitialDelay)
	if got := w.waits("launch on-demand 3"); got != 10*time.Second {
		t.Errorf("replaced after %v", got)
	}
}

func TestPreemptionIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spotSpec())
	w.step()
	for id := range int64(5) {
		w.become(id+1, serve.Preempted)
		w.want("the machine was taken", fmt.Sprintf("launch spot %d", id+2))
	}
}
