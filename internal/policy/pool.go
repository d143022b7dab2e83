// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// For how long a pool is blocked by a refusal and avoided after a preemption:
// after the first in a row, and at most. Each further one doubles it.
const (
	refusedFirst   = 10 * time.Second
	refusedLimit   = 5 * time.Minute
	preemptedFirst = 30 * time.Second
	preemptedLimit = 10 * time.Minute
)

// markLife is for how long a mark is remembered. It is longer than any block,
// as a mark must outlive its block to be doubled by the next one.
const markLife = time.Hour

// Pool is what is remembered of the machines of one offer: what went wrong with
// them lately, and how spot machines have fared there.
type Pool struct {
	Location     serve.Location `json:"location"`
	Market       serve.Market   `json:"market"`
	InstanceType string         `json:"instance_type"`
	// Refused tells of launches that found no capacity, Preempted of machines
	// that were taken away, or that the cloud has said it may take.
	Refused   Mark `json:"refused,omitzero"`
	Preempted Mark `json:"preempted,omitzero"`
	// TakenAt is when machines will be taken of which notice was given; what is
	// launched there before would be taken with them.
	TakenAt time.Time `json:"taken_at,omitzero"`
	// Record is how long machines were held there and how often some were lost.
	Record Record `json:"record,omitzero"`
}

// Mark is a grudge with an end.
type Mark struct {
	// Count is how often it happened in a row, At when it last did.
	Count int       `json:"count"`
	At    time.Time `json:"at"`
	// Until is when it is forgiven; it is remembered for longer.
	Until time.Time `json:"until"`
}

// again gives the mark after it happened once more. What happens while the mark
// stands comes of the same shortage, not of a new attempt: when ten launches
// are refused at once, the pool is blocked for ten seconds, not for minutes.
func (m Mark) again(now time.Time, first, limit time.Duration) Mark {
	now = now.UTC().Round(0)
	if !now.Before(m.Until) {
		m.Count++
	}
	m.At, m.Until = now, now.Add(backoff(m.Count, first, limit))
	return m
}

// stands reports whether the mark is not forgiven yet.
func (m Mark) stands(now time.Time) bool { return now.Before(m.Until) }

// of gives the pool with the name of the offer that is drawn from it.
func (p Pool) of(o serve.Offer) Pool {
	p.Location, p.Market, p.InstanceType = o.Location, o.Market, o.InstanceType
	return p
}

// fresh gives the pool without what is too old to matter.
func (p Pool) fresh(now time.Time) Pool {
	if now.Sub(p.Refused.At) > markLife {
		p.Refused = Mark{}
	}
	if now.Sub(p.Preempted.At) > markLife {
		p.Preempted = Mark{}
	}
	if !p.TakenAt.After(now) {
		p.TakenAt = time.Time{}
	}
	if p.Record.HeldSince.IsZero() && now.Sub(p.Record.At) > recordLife {
		p.Record = Record{}
	}
	return p
}

// empty reports whether there is nothing to remember of the pool.
func (p Pool) empty() bool {
	return p.Refused == Mark{} && p.Preempted == Mark{} && p.TakenAt.IsZero() && p.Record == Record{}
}

// block is why an offer is not to be tried now; without a why it may be.
type block struct {
	until time.Time
	why   string
	// soft blocks give way when there is nothing else.
	soft bool
}

// refusals gives the block that refused launches put on an offer. When it ends,
// one replica asks first, and others only once that was granted: what has just
// refused ten will hardly have ten, and clouds count how often they are asked.
func (e *evaluation) refusals(p *pooled) block {
	m := e.memory.Pools[p.key].Refused
	if !m.stands(e.now) {
		if m.Count > 0 && p.asked {
			e.wake(m.At.Add(markLife + 1)) // from then on nobody remembers that it has
			return block{why: "it has refused machines lately, and another replica asks first"}
		}
		return block{}
	}
	return block{until: m.Until, why: fmt.Sprintf("no capacity (%s in a row), blocked until %s", times(m.Count), clock(m.Until))}
}

// grudges gives the block that refused launches, machines about to be taken or,
// more softly, preemptions put on an offer.
func (e *evaluation) grudges(p *pooled) block {
	known := e.memory.Pools[p.key]
	if at := known.TakenAt; at.After(e.now) {
		return block{until: at, why: fmt.Sprintf("machines there will be taken at %s", clock(at))}
	}
	b, m := e.refusals(p), known.Preempted
	if b.why == "" && m.stands(e.now) {
		return block{until: m.Until, why: fmt.Sprintf("preempted (%s lately), avoided until %s", times(m.Count), clock(m.Until)), soft: true}
	}
	return b
}

// backoff gives the wait after the n-th failure in a row: first, doubled by
// each further one, at most limit.
func backoff(n int, first, limit time.Duration) time.Duration {
	wait := first
	for i := 1; i < n && wait < limit; i++ {
		wait *= 2
	}
	return min(wait, limit)
}
