// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"math"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// recordHalfLife is the age at which what a pool did counts half.
	recordHalfLife = 48 * time.Hour
	// recordLife is for how long the record of a pool is kept that nobody uses.
	recordLife = 7 * 24 * time.Hour
	// lossSpan is how far apart two losses are at least that count as two.
	lossSpan = 30 * time.Second
	// Every pool begins as if it had lost machines half a time in two hours. So
	// one that was lucky once is not taken for safe, nor one that was unlucky
	// once for hopeless.
	priorLosses = 0.5
	priorHours  = 2
)

// Record is how the spot machines of a pool have fared, the past counting less
// the longer ago it is.
type Record struct {
	// Hours is for how long machines were held, and Losses how often some were
	// taken, both as they counted at At.
	Hours  float64   `json:"hours,omitempty"`
	Losses float64   `json:"losses,omitempty"`
	At     time.Time `json:"at,omitzero"`
	// HeldSince is since when, without a break, a machine is held; zero while
	// none is.
	HeldSince time.Time `json:"held_since,omitzero"`
	// LostAt is when machines were last lost.
	LostAt time.Time `json:"lost_at,omitzero"`
}

// at gives the record as it counts now.
//
// What is an age a old counts 2^(-a/h), h being the half-life. So a machine that
// was held for a time t until now counts the integral of that over t, which is
// (1 - 2^(-t/h)) h / ln 2: a little less than t at first, and never above 2.9 days.
func (r Record) at(now time.Time) Record {
	fade := func(since time.Time) float64 { return math.Exp2(-float64(now.Sub(since)) / float64(recordHalfLife)) }
	if r.At.IsZero() {
		r.At = now
	}
	faded := fade(r.At)
	r.Hours, r.Losses = r.Hours*faded, r.Losses*faded
	if !r.HeldSince.IsZero() {
		from := r.HeldSince
		if r.At.After(from) {
			from = r.At
		}
		r.Hours += (1 - fade(from)) * recordHalfLife.Hours() / math.Ln2
	}
	r.At = now
	return r
}

// lost gives the record after machines were lost, and whether that is a loss of
// its own: machines that are lost within one lossSpan are lost together.
func (r Record) lost(now time.Time) (Record, bool) {
	alone := r.LostAt.IsZero() || now.Sub(r.LostAt) >= lossSpan
	if alone {
		r = r.at(now)
		r.Losses++
	}
	r.LostAt = now
	return r, alone
}

// hazard is how often an hour machines are expected to be lost.
func (r Record) hazard(now time.Time) float64 {
	r = r.at(now)
	return (r.Losses + priorLosses) / (r.Hours + priorHours)
}

// hold notes which pools hold spot machines, and which do not any more. While
// that stays the same it changes nothing.
func (e *evaluation) hold() {
	held := map[string]bool{}
	for _, named := range e.spread.pools {
		for _, p := range named {
			if p.market != serve.Spot || !p.held {
				continue
			}
			held[p.key] = true
			if known := e.memory.Pools[p.key]; known.Record.HeldSince.IsZero() {
				known.Location, known.Market, known.InstanceType = p.location, p.market, p.instanceType
				known.Record = known.Record.at(e.now)
				known.Record.HeldSince = e.now
				e.memory.Pools = replaced(e.memory.Pools, p.key, known)
			}
		}
	}
	for key, p := range e.memory.Pools {
		if !held[key] && !p.Record.HeldSince.IsZero() {
			p.Record = p.Record.at(e.now)
			p.Record.HeldSince = time.Time{}
			e.memory.Pools = replaced(e.memory.Pools, key, p)
		}
	}
}
