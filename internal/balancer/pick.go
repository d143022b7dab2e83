// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"math"
	"slices"
	"time"
)

// policy is how the backend for a request is chosen.
type policy uint8

const (
	leastLoad     policy = iota // the fewest requests in flight
	roundRobin                  // one after the other
	instanceAware               // the fewest requests in flight for what it can take
)

// parsePolicy reads the name of a policy.
func parsePolicy(name string) policy {
	switch name {
	case "round_robin":
		return roundRobin
	case "instance_aware_least_load":
		return instanceAware
	default:
		return leastLoad
	}
}

// suspicion is for how long others are preferred to a backend that could not be
// connected to. It spans the time until the set is pushed without it.
const suspicion = time.Second

// pick chooses and acquires a backend for a request of a session, if it is of one,
// that has tried some already. It gives nil when there is no other.
func (b *Balancer) pick(session string, tried []*backend) *backend {
	for {
		s := b.current.Load()
		var be *backend
		if session != "" {
			be = s.own(session, b.elapsed(), tried)
		}
		if be == nil {
			be = s.choose(b.turn.Add(1), b.elapsed(), tried)
		}
		// One that has just left refuses; the snapshot without it is there already.
		if be == nil || be.acquire() {
			return be
		}
	}
}

// choose finds the backend with the lowest rank. Of several, each has its turn.
func (s *snapshot) choose(turn uint64, now time.Duration, tried []*backend) *backend {
	var best *backend
	lowest, equals := math.Inf(1), uint64(0)
	for i := range s.targets {
		t := &s.targets[i]
		if slices.Contains(tried, t.backend) {
			continue
		}
		switch rank := s.policy.rank(t, now); {
		case rank < lowest:
			best, lowest, equals = t.backend, rank, 1
		case rank == lowest:
			equals++
		}
	}
	if equals < 2 {
		return best
	}
	// Whose turn it is can be told only now that it is known how many there are.
	// Loads may have changed since; then any that was best will do.
	skip := turn % equals
	for i := range s.targets {
		t := &s.targets[i]
		if slices.Contains(tried, t.backend) || s.policy.rank(t, now) != lowest {
			continue
		}
		if best = t.backend; skip == 0 {
			break
		}
		skip--
	}
	return best
}

// underSuspicion is above the rank of every backend that is not suspect.
const underSuspicion = 1e12

// rank says how good a choice a backend is; lower is better.
func (p policy) rank(t *target, now time.Duration) float64 {
	rank := 0.0
	switch p {
	case leastLoad:
		rank = float64(t.inFlight())
	case instanceAware:
		rank = float64(t.inFlight()) / t.weight
	case roundRobin:
	}
	if time.Duration(t.suspect.Load()) > now {
		rank += underSuspicion
	}
	return rank
}
