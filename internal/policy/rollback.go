// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Setback is why a revision should be given up for the good one.
type Setback struct {
	// Reason is a sentence; empty when nothing is to be given up.
	Reason string
	// Replica is one that failed.
	Replica int64
}

// bake notes since when all replicas of the newest revision are ready, and that
// it is good once it has stayed so for long enough. How many there are to be may
// change meanwhile: what counts is that none is missing.
func (e *evaluation) bake() {
	m := &e.memory
	ready := countReady(e.newest)
	switch {
	case e.in.Good == e.in.Revision:
		m.ReadySince = time.Time{}
		e.out.Good = true
		return
	case ready == 0 || ready < e.memory.Target:
		m.ReadySince = time.Time{}
		return
	case m.ReadySince.IsZero():
		m.ReadySince = e.now
	}
	e.out.Good = !e.lately(m.ReadySince, serve.Seconds(e.in.Spec.Rollback.BakeSeconds))
}

// setback says whether the newest revision is to be given up. It can be only for
// another one that was good, and only before it is good itself: a revision that
// has proven itself and breaks later breaks for another reason than that it is new.
func (e *evaluation) setback() Setback {
	r := e.in.Spec.Rollback
	if !r.Enabled || e.in.Good == 0 || e.in.Good == e.in.Revision || e.out.Good {
		return Setback{}
	}
	if e.memory.EverReady != e.in.Revision {
		for _, replica := range e.in.Replicas {
			if replica.Revision == e.in.Revision && replica.IsUnrecoverable() {
				return Setback{fmt.Sprintf("replica %d of revision %d failed for good before any was ready%s", replica.ID, e.in.Revision, because(replica.Message)), replica.ID}
			}
		}
	}
	if f := e.memory.Failures; f.Count >= r.MaxFailures {
		return Setback{fmt.Sprintf("replicas of revision %d failed %s in a row before it had proven itself, replica %d last%s",
			e.in.Revision, times(f.Count), f.Replica, e.lastWords(f.Replica)), f.Replica}
	}
	return Setback{}
}

// because gives a message to follow what it explains.
func because(message string) string {
	if message == "" {
		return ""
	}
	return " (" + message + ")"
}
