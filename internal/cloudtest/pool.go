// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package cloudtest

import (
	"math"
	"slices"
)

// Pool is where instances come from: a zone has some of a type for a market. An empty
// field stands for any, so that the zero value is everything.
type Pool struct{ Zone, Type, Market string }

// Holds reports whether an instance is of the pool.
func (p Pool) Holds(zone, kind, market string) bool {
	return (p.Zone == "" || p.Zone == zone) && (p.Type == "" || p.Type == kind) && (p.Market == "" || p.Market == market)
}

// Limits say how many instances pools have at most; of two that hold the same
// instance the later one counts.
type Limits struct{ list []limit }

type limit struct {
	pool Pool
	most int
}

// Set has a pool hold so many at most. What was said of it before counts no more.
func (l *Limits) Set(p Pool, most int) {
	l.list = slices.DeleteFunc(l.list, func(o limit) bool { return o.pool == p })
	l.list = append(l.list, limit{p, most})
}

// Room is how many more instances there may be, with the help of a function that
// counts those which a pool has.
func (l *Limits) Room(zone, kind, market string, count func(Pool) int) int {
	for _, o := range slices.Backward(l.list) {
		if o.pool.Holds(zone, kind, market) {
			return max(o.most-count(o.pool), 0)
		}
	}
	return math.MaxInt32
}
