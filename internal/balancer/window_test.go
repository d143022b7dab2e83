// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWindowCountsTheLastMinute(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		adds map[int64]int // how many in which second
		at   int64
		want int
	}{
		{"nothing has arrived", nil, 1000, 0},
		{"those of this second count", map[int64]int{1000: 3}, 1000, 3},
		{"those of 59 seconds ago count", map[int64]int{941: 2, 1000: 1}, 1000, 3},
		{"those of 60 seconds ago do not", map[int64]int{940: 2, 941: 1}, 1000, 1},
		{"a bucket used again counts its new second only", map[int64]int{940: 5, 1000: 1}, 1000, 1},
		{"after a pause nothing is left", map[int64]int{1000: 7}, 1061, 0},
		{"what lies ahead after the clock was set back is not counted", map[int64]int{5000: 7}, 1000, 0},
		{"the clock's 32 bits may wrap", map[int64]int{1<<32 - 30: 2, 1<<32 + 10: 3}, 1<<32 + 20, 5},
		{"the beginning of time is not a bucket of zeros", nil, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var w window
			for _, second := range sortedKeys(row.adds) {
				for range row.adds[second] {
					w.add(second)
				}
			}
			if got := w.sum(row.at); got != row.want {
				t.Errorf("sum(%d) = %d, want %d", row.at, got, row.want)
			}
		})
	}
}

func TestWindowLosesNothingUnderContention(t *testing.T) {
	t.Parallel()
	var w window
	var adders sync.WaitGroup
	for range 8 {
		adders.Go(func() {
			for i := range 6000 {
				w.add(int64(1000 + i%60))
			}
		})
	}
	adders.Wait()
	if got := w.sum(1059); got != 8*6000 {
		t.Errorf("counted %d of %d", got, 8*6000)
	}
}

func TestWindowAllocatesNothing(t *testing.T) {
	var w window
	if n := testing.AllocsPerRun(100, func() { w.add(7); w.sum(7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRequestsAreTrimmedAsTimeGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		for range 90 {
			get(b)
			<-time.After(time.Second)
		}
		if got := b.Requests(time.Now().Add(-time.Second)); got != 60 {
			t.Errorf("one request a second for long: %d, want 60", got)
		}
		<-time.After(30 * time.Second)
		if got := b.Requests(time.Now()); got != 29 {
			t.Errorf("30 s after the last of them: %d, want 29", got)
		}
		<-time.After(30 * time.Second)
		if got := b.Requests(time.Now()); got != 0 {
			t.Errorf("a minute after the last of them: %d, want 0", got)
		}
	})
}
