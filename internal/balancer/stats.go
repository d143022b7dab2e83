// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"sync/atomic"
	"time"
)

// Stats is what a balancer has done since it was made.
type Stats struct {
	// Answers is how many requests were answered, by the first digit of the status:
	// Answers[2] are those with 200 to 299. [0] are those whose client had gone.
	Answers [6]uint64
	// Retries is how many times a request was sent to another backend, and Waited
	// how many requests have waited for one.
	Retries, Waited uint64
	// Waiting and UnderWay are how many requests there are at this moment.
	Waiting, UnderWay int
	// Within[i] is how many answers of a backend began within Bounds()[i] of the
	// request's arrival, those of smaller bounds included; Begun is how many began at
	// all, and Delay how long it took them together.
	Within []uint64
	Begun  uint64
	Delay  time.Duration
}

// Bounds are those of the delays in [Stats].
func Bounds() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{
		1 * ms, 2500 * time.Microsecond, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		time.Second, 2500 * ms, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
	}
}

// counters are what stats are made of. They only grow.
type counters struct {
	answers         [6]atomic.Uint64
	retries, waited atomic.Uint64
	within          [17]atomic.Uint64 // of each bound alone, and of what is beyond all
	delay           atomic.Int64
	underWay        atomic.Int64
	// begins is the sum of when the requests under way have begun, and spent how long
	// those that are over were under way together, since the epoch.
	begins, spent atomic.Int64
}

// enter counts a request that begins, and exit one that is over.
func (c *counters) enter(at time.Duration) {
	c.underWay.Add(1)
	c.begins.Add(int64(at))
}

func (c *counters) exit(began, at time.Duration) {
	c.underWay.Add(-1)
	c.begins.Add(-int64(began))
	c.spent.Add(int64(at - began))
}

// Busy is for how long requests have been under way here, all together: how much
// it has grown, by the time that took it, is how many were under way in the mean.
func (b *Balancer) Busy() time.Duration {
	c, now := &b.counters, b.elapsed()
	return time.Duration(c.spent.Load() + c.underWay.Load()*int64(now) - c.begins.Load())
}

// answered counts an answer.
func (c *counters) answered(status int) {
	if status == statusClientGone || status < 100 || status > 599 {
		status = 0
	}
	c.answers[status/100].Add(1)
}

// begun counts an answer of a backend that has begun.
func (c *counters) begun(delay time.Duration, bounds []time.Duration) {
	i := 0
	for i < len(bounds) && delay > bounds[i] {
		i++
	}
	c.within[i].Add(1)
	c.delay.Add(int64(delay))
}

// Stats tells what has been done.
func (b *Balancer) Stats() Stats {
	c := &b.counters
	s := Stats{
		Retries: c.retries.Load(), Waited: c.waited.Load(), Waiting: int(b.held.Load()), UnderWay: int(c.underWay.Load()),
		Delay: time.Duration(c.delay.Load()), Within: make([]uint64, len(b.bounds)),
	}
	for i := range c.answers {
		s.Answers[i] = c.answers[i].Load()
	}
	for i := range b.bounds {
		s.Begun += c.within[i].Load()
		s.Within[i] = s.Begun
	}
	s.Begun += c.within[len(b.bounds)].Load()
	return s
}
