// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func rollback(bakeSeconds float64, maxFailures int) serve.Rollback {
	return serve.Rollback{Enabled: true, BakeSeconds: bakeSeconds, MaxFailures: maxFailures}
}

// judged says how the revision is after an evaluation.
func (w *world) judged() string {
	w.t.Helper()
	w.decide()
	switch {
	case w.out.Setback.Reason != "":
		return "given up"
	case w.out.Good:
		return "good"
	default:
		return "open"
	}
}

func TestRevisionIsGoodOnceItHasBaked(t *testing.T) {
	t.Parallel()
	spec := onDemandSpec(fixed(2))
	spec.Rollback = rollback(60, 3)
	w := newWorld(t, spec, "1 on-demand READY", "2 on-demand STARTING")
	for _, row := range []struct {
		when string
		do   func()
		want string
	}{
		{"one of two is ready", func() {}, "open"},
		{"both are", func() { w.become(2, serve.Ready) }, "open"},
		{"but not for a minute", func() { w.pass(59 * time.Second) }, "open"},
		{"one fails a probe", func() { w.become(1, serve.NotReady) }, "open"},
		{"both are ready again, and it begins anew", func() { w.pass(time.Second); w.become(1, serve.Ready) }, "open"},
		{"a minute later", func() { w.pass(time.Minute) }, "good"},
		{"it stays good whatever comes", func() { w.in.Good = 1; w.become(1, serve.NotReady) }, "good"},
	} {
		row.do()
		if got := w.judged(); got != row.want {
			t.Errorf("%s: it is %s, not %s", row.when, got, row.want)
		}
	}
}

func TestRevisionIsGoodAtOnceWithoutBaking(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onDemandSpec(fixed(1)), "1 on-demand STARTING")
	if got := w.judged(); got != "open" {
		t.Errorf("before it is ready it is %s", got)
	}
	w.become(1, serve.Ready)
	if got := w.judged(); got != "good" {
		t.Errorf("when it is ready it is %s", got)
	}
}

func TestRevisionIsGivenUp(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name     string
		rollback serve.Rollback
		good     int64
		replicas []string
		want     string
	}{
		{"that fails for good before any was ready", rollback(0, 3), 1, []string{"1 on-demand READY v1", "2 on-demand FAILED v2"}, "given up"},
		{"or never is ready in time", rollback(0, 3), 1, []string{"1 on-demand READY v1", "2 on-demand FAILED_INITIAL_DELAY v2"}, "given up"},
		{"not if that is not wanted", serve.Rollback{MaxFailures: 1}, 1, []string{"1 on-demand READY v1", "2 on-demand FAILED v2"}, "open"},
		{"not if there is nothing to go back to", rollback(0, 1), 0, []string{"2 on-demand FAILED v2"}, "open"},
		{"not if it is good itself", rollback(0, 1), 2, []string{"2 on-demand FAILED v2"}, "good"},
		{"not for one failure after it was ready", rollback(60, 2), 1, []string{"2 on-demand READY v2", "3 on-demand FAILED_PROBING v2"}, "open"},
		{"but for as many as are too many", rollback(60, 1), 1, []string{"2 on-demand READY v2", "3 on-demand FAILED_PROBING v2"}, "given up"},
		{"not for the failures of another revision", rollback(60, 1), 1, []string{"1 on-demand FAILED v1", "2 on-demand READY v2"}, "open"},
		{"nor for what a market takes", rollback(60, 1), 1, []string{"1 on-demand READY v1", "2 spot PREEMPTED v2"}, "open"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			spec := onDemandSpec(fixed(1))
			spec.Rollback = row.rollback
			w := newWorld(t, spec, row.replicas...)
			w.in.Revision, w.in.Good = 2, row.good
			if got := w.judged(); got != row.want {
				t.Errorf("it is %s, not %s: %q", got, row.want, w.out.Setback.Reason)
			}
			if row.want == "given up" && (len(w.out.Decisions) > 0 || !strings.Contains(w.out.Setback.Reason, "of revision 2 failed") || w.out.Setback.Replica == 0) {
				t.Errorf("decided is %v, as %+v", w.out.Decisions, w.out.Setback)
			}
		})
	}
}

// Failures in a row are counted over time, each wave once.
func TestFlappingRevisionIsGivenUp(t *testing.T) {
	t.Parallel()
	spec := onDemandSpec(fixed(1))
	spec.Rollback = rollback(600, 3)
	w := newWorld(t, spec)
	w.in.Revision, w.in.Good = 2, 1
	for i := range int64(3) {
		if got := w.judged(); got != "open" {
			t.Fatalf("after %d failures it is %s", i, got)
		}
		w.in.NextID = i + 1
		w.step()
		w.become(i+1, serve.Ready)
		w.pass(5 * time.Second)
		w.become(i+1, serve.FailedProbing)
		w.pass(time.Minute)
	}
	if got := w.judged(); got != "given up" || !strings.Contains(w.out.Setback.Reason, "failed 3 times in a row") {
		t.Errorf("after three failures it is %s: %q", got, w.out.Setback.Reason)
	}
}
