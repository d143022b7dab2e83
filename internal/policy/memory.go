// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"maps"
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
	// Failures counts what went wrong with replicas of the revision.
	Failures Failures `json:"failures,omitzero"`
	// Pools holds, by [serve.Offer.Key], what went wrong with capacity lately.
	Pools map[string]Pool `json:"pools,omitempty"`
	// Zones is what the placer "dynamic_fallback" knows.
	Zones Zones `json:"zones,omitzero"`
}

// LaunchFailed notes that there was no capacity, or no quota, for an offer:
// its pool is left alone for a while, longer with every refusal in a row.
func (m Memory) LaunchFailed(now time.Time, o serve.Offer) Memory {
	return m.marked(now, o, func(p *Pool) { p.Refused = p.Refused.again(now, refusedFirst, refusedLimit) })
}

// Preempted notes that a machine of the offer's pool was taken away, or will
// be: the pool is avoided for a while, longer when it happens again and again.
func (m Memory) Preempted(now time.Time, o serve.Offer) Memory {
	return m.marked(now, o, func(p *Pool) { p.Preempted = p.Preempted.again(now, preemptedFirst, preemptedLimit) })
}

// LaunchSucceeded notes that the offer's pool had a machine: refusals before
// that mean nothing any more.
func (m Memory) LaunchSucceeded(o serve.Offer) Memory {
	if p, ok := m.Pools[o.Key()]; ok {
		p.Refused = Mark{}
		m.Pools = replaced(m.Pools, o.Key(), p)
	}
	if o.Market == serve.Spot {
		m.Zones = m.Zones.activated(o.Location)
	}
	return m
}

// CapacityReturned notes that it is worth asking for machines of a market in a
// location, and everywhere within it. An empty market is both.
func (m Memory) CapacityReturned(l serve.Location, market serve.Market) Memory {
	m.Pools = kept(m.Pools, func(p Pool) bool {
		return !l.Contains(p.Location) || market != "" && market != p.Market
	})
	return m
}

// marked changes the pool of an offer, and lets the placer know.
func (m Memory) marked(now time.Time, o serve.Offer, mark func(*Pool)) Memory {
	m = m.fresh(now)
	p := m.Pools[o.Key()]
	p.Location, p.Market = o.Location, o.Market
	mark(&p)
	m.Pools = replaced(m.Pools, o.Key(), p)
	if o.Market == serve.Spot {
		m.Zones = m.Zones.preempted(o.Location)
	}
	return m
}

// fresh gives the memory without the marks that are too old to matter, which
// bounds its size by what was tried within [markLife].
func (m Memory) fresh(now time.Time) Memory {
	pools := map[string]Pool{}
	for key, p := range m.Pools {
		if p = p.fresh(now); !p.unmarked() {
			pools[key] = p
		}
	}
	m.Pools = orNil(pools)
	return m
}

// replaced gives a copy of pools in which key stands for p.
func replaced(pools map[string]Pool, key string, p Pool) map[string]Pool {
	pools = maps.Clone(pools)
	if pools == nil {
		pools = map[string]Pool{}
	}
	pools[key] = p
	return kept(pools, func(p Pool) bool { return !p.unmarked() })
}

// kept gives a copy of pools with those only for which keep is true.
func kept(pools map[string]Pool, keep func(Pool) bool) map[string]Pool {
	pools = maps.Clone(pools)
	maps.DeleteFunc(pools, func(_ string, p Pool) bool { return !keep(p) })
	return orNil(pools)
}

// orNil turns an empty map into none, which is what JSON makes of it.
func orNil(pools map[string]Pool) map[string]Pool {
	if len(pools) == 0 {
		return nil
	}
	return pools
}
