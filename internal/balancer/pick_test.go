// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// picks lists whom n requests in a row are given to, each of which ends before
// the next begins.
func picks(b *Balancer, n int) []int64 {
	var ids []int64
	for range n {
		be := b.pick("", nil)
		ids = append(ids, be.id)
		be.release()
	}
	return ids
}

// load puts requests in flight on the backends, given by their place in the set.
func load(b *Balancer, counts ...int) {
	for i, n := range counts {
		for range n {
			b.current.Load().targets[i].acquire()
		}
	}
}

func count(ids []int64) map[int64]int {
	counts := map[int64]int{}
	for _, id := range ids {
		counts[id]++
	}
	return counts
}

func TestPick(t *testing.T) {
	t.Parallel()
	three := []Backend{{ID: 1}, {ID: 2}, {ID: 3}}
	for _, row := range []struct {
		name     string
		policy   string
		backends []Backend
		inFlight []int
		requests int
		want     map[int64]int
	}{
		{"L1 round robin gives each of three 2 of 6", "round_robin", three, nil, 6, map[int64]int{1: 2, 2: 2, 3: 2}},
		{"round robin does not look at load", "round_robin", three, []int{9, 0, 5}, 3, map[int64]int{1: 1, 2: 1, 3: 1}},
		{"L2 least load takes the one with the fewest requests", "least_load", three, []int{2, 0, 1}, 4, map[int64]int{2: 4}},
		{"L2 least load lets equals take turns", "least_load", three, []int{1, 1, 1}, 6, map[int64]int{1: 2, 2: 2, 3: 2}},
		{"least load lets those that are equal and least take turns", "least_load", three, []int{0, 1, 0}, 6, map[int64]int{1: 3, 3: 3}},
		{"least load does not look at weight", "least_load", []Backend{{ID: 1, Weight: 100}, {ID: 2}}, []int{1, 0}, 2, map[int64]int{2: 2}},
		{"no policy is least load", "", three, []int{2, 0, 1}, 2, map[int64]int{2: 2}},
		{"an unknown policy is least load", "fastest", three, []int{2, 0, 1}, 2, map[int64]int{2: 2}},
		{
			"L3 instance aware weighs load by what a backend can take", "instance_aware_least_load",
			[]Backend{{ID: 1, Weight: 2.5}, {ID: 2, Weight: 0.5}}, []int{2, 1}, 3, map[int64]int{1: 3},
		},
		{
			"instance aware takes the small one once the big one has more than its share", "instance_aware_least_load",
			[]Backend{{ID: 1, Weight: 4}, {ID: 2, Weight: 1}}, []int{5, 1}, 3, map[int64]int{2: 3},
		},
		{
			"instance aware takes a weight of 0 or less for 1", "instance_aware_least_load",
			[]Backend{{ID: 1, Weight: -3}, {ID: 2}, {ID: 3, Weight: 1}}, []int{1, 1, 1}, 6, map[int64]int{1: 2, 2: 2, 3: 2},
		},
		{
			"instance aware lets equals take turns", "instance_aware_least_load",
			[]Backend{{ID: 1, Weight: 2}, {ID: 2, Weight: 1}}, []int{2, 1}, 6, map[int64]int{1: 3, 2: 3},
		},
		{"a backend given twice is one backend", "round_robin", []Backend{{ID: 1}, {ID: 1}, {ID: 2}}, nil, 4, map[int64]int{1: 2, 2: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := New(Options{Settings: Settings{Policy: row.policy}})
			b.SetBackends(row.backends)
			load(b, row.inFlight...)
			if got := count(picks(b, row.requests)); fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("%d requests went to %v, want %v", row.requests, got, row.want)
			}
		})
	}
}

func TestRoundRobinKeepsItsOrder(t *testing.T) {
	t.Parallel()
	b := New(Options{Settings: Settings{Policy: "round_robin"}})
	b.SetBackends([]Backend{{ID: 1}, {ID: 2}, {ID: 3}})
	got := picks(b, 6)
	if !slices.Equal(got[:3], got[3:]) {
		t.Errorf("two cycles differ: %v", got)
	}
}

func TestPickPassesOverWhatWasTried(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"least_load", "round_robin", "instance_aware_least_load"} {
		b := New(Options{Settings: Settings{Policy: policy}})
		b.SetBackends([]Backend{{ID: 1}, {ID: 2}, {ID: 3}})
		for range 10 {
			var tried []*backend
			for range 3 {
				be := b.pick("", tried)
				if be == nil || slices.Contains(tried, be) {
					t.Fatalf("%s: after %d tries got %v", policy, len(tried), be)
				}
				be.release()
				tried = append(tried, be)
			}
			if be := b.pick("", tried); be != nil {
				t.Fatalf("%s: all were tried, got backend %d", policy, be.id)
			}
		}
	}
}

func TestPickPrefersBackendsNotUnderSuspicion(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	b.SetBackends([]Backend{{ID: 1}, {ID: 2}})
	load(b, 0, 5)
	suspected := b.current.Load().targets[0]
	suspected.suspect.Store(int64(b.elapsed() + time.Hour))

	if got := picks(b, 3); !slices.Equal(got, []int64{2, 2, 2}) {
		t.Errorf("picked %v with 1 under suspicion", got)
	}
	if be := b.pick("", []*backend{b.current.Load().targets[1].backend}); be == nil || be.id != 1 {
		t.Errorf("with nothing else left, got %v instead of the one under suspicion", be)
	} else {
		be.release()
	}
	b.SetBackends([]Backend{{ID: 1}, {ID: 2}})
	if got := picks(b, 3); !slices.Equal(got, []int64{1, 1, 1}) {
		t.Errorf("picked %v after the set was pushed anew", got)
	}
	suspected.suspect.Store(int64(b.elapsed() - 1))
	if got := picks(b, 3); !slices.Equal(got, []int64{1, 1, 1}) {
		t.Errorf("picked %v after the suspicion was over", got)
	}
}

func TestPolicyChangesWhileServing(t *testing.T) {
	t.Parallel()
	b := New(Options{Settings: Settings{Policy: "least_load"}})
	b.SetBackends([]Backend{{ID: 1}, {ID: 2}})
	load(b, 0, 5)
	b.Configure(Settings{Policy: "round_robin"})
	if got := count(picks(b, 4)); got[1] != 2 || got[2] != 2 {
		t.Errorf("picked %v, want each twice", got)
	}
}
