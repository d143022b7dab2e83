// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import "sync/atomic"

// windowSeconds is how far back the window looks.
const windowSeconds = 60

// window counts events over the last minute, in buckets of one second. A bucket
// is one word that holds the second it counts, in the upper half, and the
// count, so that taking a bucket for a new second and counting in it are one
// step, and old buckets need no cleaning. Seconds are Unix seconds of the wall
// clock, modulo 2^32; should the clock jump, the window is right again a minute
// later.
type window struct {
	buckets [windowSeconds]atomic.Uint64
}

// add counts an event in a second.
func (w *window) add(second int64) { w.addMany(second, 1) }

// addMany counts n events in a second.
func (w *window) addMany(second int64, n uint32) {
	bucket := &w.buckets[uint64(second)%windowSeconds]
	for {
		old := bucket.Load()
		next := old + uint64(n)
		if uint32(old>>32) != uint32(second) {
			next = uint64(uint32(second))<<32 | uint64(n)
		}
		if bucket.CompareAndSwap(old, next) {
			return
		}
	}
}

// in is the number of events in one second, which must be within the window.
func (w *window) in(second int64) int {
	bucket := w.buckets[uint64(second)%windowSeconds].Load()
	if uint32(bucket>>32) != uint32(second) {
		return 0
	}
	return int(uint32(bucket))
}

// sum is the number of events in the 60 seconds that end with the given one.
func (w *window) sum(second int64) int {
	total := 0
	for i := range w.buckets {
		bucket := w.buckets[i].Load()
		// An unsigned difference: seconds that are yet to come are far in the past.
		if age := uint32(second) - uint32(bucket>>32); age < windowSeconds {
			total += int(uint32(bucket))
		}
	}
	return total
}
