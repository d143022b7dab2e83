// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"math"
	"testing"
	"time"
)

// steady is traffic of which so many requests are under way.
type steady struct {
	Traffic
	sum time.Duration
}

func (s *steady) Busy() time.Duration { return s.sum }

func TestConcurrencyIsTheMeanOfAMinute(t *testing.T) {
	t.Parallel()
	traffic := &steady{}
	l := &loop{c: &Controller{o: Options{Traffic: traffic}}}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if got := l.concurrency(at); got != 0 {
		t.Errorf("at first it is %v", got)
	}
	look := func(underWay float64, pause time.Duration, times int) (got float64) {
		for range times {
			at = at.Add(pause)
			traffic.sum += time.Duration(underWay * float64(pause))
			got = l.concurrency(at)
		}
		return got
	}
	for _, step := range []struct {
		underWay float64
		pause    time.Duration
		times    int
		want     float64
	}{
		{6, 20 * time.Second, 1, 6},          // of the time since the first look
		{0, 20 * time.Second, 1, 3},          // half of it
		{6, 10 * time.Millisecond, 12000, 6}, // two minutes of looks that come thick and fast
		{0, 20 * time.Second, 3, 0},          // a minute of nothing
		{12, 20 * time.Second, 1, 4},         // a third of the minute
	} {
		if got := look(step.underWay, step.pause, step.times); math.Abs(got-step.want) > 0.15 {
			t.Errorf("after %d looks at %v it is %v, want %v", step.times, step.underWay, got, step.want)
		}
	}
	if n := len(l.busy); n > 62 {
		t.Errorf("%d looks are kept", n)
	}
}
