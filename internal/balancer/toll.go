// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"errors"
	"slices"
	"sync/atomic"
)

// Toll is what the failures of a backend have cost those who asked.
type Toll struct {
	// Retried is how many requests were sent to another backend after this one had
	// failed them.
	Retried int64 `json:"retried,omitempty"`
	// Lost is how many got no answer because of it, or the beginning of one. What is
	// said in a tunnel is not known: one is lost if it was cut, and not if it ended.
	Lost int64 `json:"lost,omitempty"`
}

// maxPast is how many backends are remembered after they are gone: a request that
// has failed on one may still be waiting for another.
const maxPast = 64

// toll counts for one backend. Only a request that has failed touches it.
type toll struct{ retried, lost atomic.Int64 }

// Toll gives what was counted since it was last asked, by the ID of the backend
// that was being spoken to; nil if that is nothing.
func (b *Balancer) Toll() map[int64]Toll {
	b.mu.Lock()
	defer b.mu.Unlock()
	var counted map[int64]Toll
	take := func(be *backend) {
		t := Toll{Retried: be.toll.retried.Swap(0), Lost: be.toll.lost.Swap(0)}
		if t == (Toll{}) {
			return
		}
		if counted == nil {
			counted = map[int64]Toll{}
		}
		counted[be.id] = counted[be.id].Plus(t)
	}
	for _, be := range b.known {
		take(be)
	}
	for _, be := range b.past {
		take(be)
	}
	return counted
}

// Plus gives the sum of two.
func (t Toll) Plus(more Toll) Toll {
	return Toll{Retried: t.Retried + more.Retried, Lost: t.Lost + more.Lost}
}

// pass remembers a backend that is gone for a while. The caller holds b.mu.
func (b *Balancer) pass(be *backend) {
	if len(b.past) == maxPast {
		b.past = slices.Delete(b.past, 0, 1)
	}
	b.past = append(b.past, be)
}

// lost counts a request that is over without an answer, or in the middle of one,
// if a backend is to blame.
func (x *exchange) lost(err error) {
	var f *failure
	switch {
	case x.conn != nil && errors.Is(x.conn.ended(), errAborted):
		x.backend.toll.lost.Add(1)
	case !errors.As(err, &f):
	case x.request.Context().Err() == nil, errors.Is(f.err, errAborted):
		f.backend.toll.lost.Add(1)
	}
}
