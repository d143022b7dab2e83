// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"maps"
	"slices"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Memory is what policy must remember between two evaluations: a plain value
// that encodes to JSON and back without loss. Its methods never change it, they
// give a changed one.
type Memory struct {
	// Revision is the revision the last evaluation was for; 0 before the first.
	Revision int64 `json:"revision"`
	// Target is the number of replicas wanted, without overprovision.
	Target int `json:"target"`
	// Load is what autoscaling is waiting for.
	Load Load `json:"load,omitzero"`
	// EverReady is the newest revision that has ever had a ready replica.
	EverReady int64 `json:"ever_ready,omitempty"`
	// Active is the revision that serves where one serves alone; 0 where all do.
	Active int64 `json:"active,omitempty"`
	// ReadySince is since when all replicas of the revision are ready, until it is
	// good; zero while some are not.
	ReadySince time.Time `json:"ready_since,omitzero"`
	// Failures counts what went wrong with replicas of the revision.
	Failures Failures `json:"failures,omitzero"`
	// Risk is what was learnt about losing machines.
	Risk Risk `json:"risk,omitzero"`
	// Pools holds, by [serve.Offer.Key], what is known of capacity.
	Pools map[string]Pool `json:"pools,omitempty"`
	// Zones is what the placers know that SkyServe and SpotHedge have.
	Zones Zones `json:"zones,omitzero"`
}

// Known gives what is remembered of pools for a person to see, in order of their
// keys.
func (m Memory) Known() []serve.Pool {
	var known []serve.Pool
	for _, key := range slices.Sorted(maps.Keys(m.Pools)) {
		p := m.Pools[key]
		known = append(known, serve.Pool{
			Location: p.Location, Market: p.Market, InstanceType: p.InstanceType,
			Refusals: p.Refused.Count, BlockedUntil: p.Refused.Until,
			Preemptions: p.Preempted.Count, AvoidedUntil: p.Preempted.Until,
			LostAt: p.Record.LostAt, HeldSince: p.Record.HeldSince,
		})
	}
	return known
}

// LaunchFailed notes that there was no capacity, or no quota, when a replica
// asked for an offer: its pool is left alone for a while, longer with every
// refusal in a row.
func (m Memory) LaunchFailed(now time.Time, replica int64, o serve.Offer) Memory {
	m = m.marked(now, o, func(p *Pool) { p.Refused = p.Refused.again(now, refusedFirst, refusedLimit) })
	if o.Market == serve.Spot {
		m.Zones = m.Zones.refused(now, replica, o.Location)
	}
	return m
}

// Preempted notes that a machine of the offer's pool was taken away, or will
// be, and how long before its end that was told: 0 when it was not. The pool is
// avoided for a while, longer when it happens again and again.
func (m Memory) Preempted(now time.Time, o serve.Offer, notice time.Duration) Memory {
	var alone bool
	at := now.UTC().Round(0)
	m = m.marked(now, o, func(p *Pool) {
		p.Preempted = p.Preempted.again(now, preemptedFirst, preemptedLimit)
		p.Record, alone = p.Record.lost(at)
		if gone := at.Add(notice); gone.After(at) && gone.After(p.TakenAt) {
			p.TakenAt = gone
		}
	})
	if o.Market == serve.Spot {
		m.Zones = m.Zones.preempted(o.Location)
		if alone {
			m.Risk = m.Risk.lost(at, notice)
		}
	}
	return m
}

// Doubted notes that the cloud has warned of what may happen to machines of the
// offer's pool: others are preferred for a while, as after a preemption, but nothing
// was lost.
func (m Memory) Doubted(now time.Time, o serve.Offer) Memory {
	return m.marked(now, o, func(p *Pool) { p.Preempted = p.Preempted.again(now, preemptedFirst, preemptedLimit) })
}

// LaunchSucceeded notes that the offer's pool had a machine: refusals before
// that mean nothing any more.
func (m Memory) LaunchSucceeded(o serve.Offer) Memory {
	if p, ok := m.Pools[o.Key()]; ok && p.Refused != (Mark{}) {
		p.Refused = Mark{}
		m.Pools = replaced(m.Pools, o.Key(), p)
	}
	if o.Market == serve.Spot {
		m.Zones = m.Zones.launched(o.Location)
	}
	return m
}

// CapacityReturned notes that it is worth asking for machines of a market in a
// location, and everywhere within it. An empty market is both.
func (m Memory) CapacityReturned(l serve.Location, market serve.Market) Memory {
	return m.pools(func(p Pool) Pool {
		if l.Contains(p.Location) && (market == "" || market == p.Market) {
			p.Refused, p.Preempted, p.TakenAt = Mark{}, Mark{}, time.Time{}
		}
		return p
	})
}

// marked changes the pool of an offer.
func (m Memory) marked(now time.Time, o serve.Offer, mark func(*Pool)) Memory {
	m = m.fresh(now)
	p := m.Pools[o.Key()].of(o)
	mark(&p)
	m.Pools = replaced(m.Pools, o.Key(), p)
	return m
}

// fresh gives the memory without what is too old to matter, which bounds its
// size by what was tried within [recordLife].
func (m Memory) fresh(now time.Time) Memory {
	return m.pools(func(p Pool) Pool { return p.fresh(now) })
}

// pools gives the memory with each pool changed, and without those of which
// there is nothing left to remember. It is the same memory if that changes nothing.
func (m Memory) pools(change func(Pool) Pool) Memory {
	changed := false
	for _, p := range m.Pools {
		changed = changed || change(p) != p
	}
	if !changed {
		return m
	}
	pools := map[string]Pool{}
	for key, p := range m.Pools {
		if p = change(p); !p.empty() {
			pools[key] = p
		}
	}
	if len(pools) == 0 {
		pools = nil // which is what JSON makes of an empty map
	}
	m.Pools = pools
	return m
}

// replaced gives a copy of pools in which key stands for p.
func replaced(pools map[string]Pool, key string, p Pool) map[string]Pool {
	pools = maps.Clone(pools)
	if pools == nil {
		pools = map[string]Pool{}
	}
	if pools[key] = p; p.empty() {
		delete(pools, key)
	}
	if len(pools) == 0 {
		return nil
	}
	return pools
}
