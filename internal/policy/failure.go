// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// failureFirst and failureLimit bound the wait before a replica is launched
	// in the stead of one that failed. The first failure in a row is free.
	failureFirst = 10 * time.Second
	failureLimit = 5 * time.Minute
	// proof is for how long a replica must be ready to show that the revision works.
	proof = time.Minute
)

// Failures counts failures in a row of replicas of one revision. Of replicas
// that were there at the same time only the first to fail counts, as all fail
// for one cause; the next to count is one that was made after that.
type Failures struct {
	Count int `json:"count,omitempty"`
	// At is when the last one that counted failed, Replica is its id.
	At      time.Time `json:"at,omitzero"`
	Replica int64     `json:"replica,omitempty"`
}

// recall takes what the records tell into the memory.
func (e *evaluation) recall() {
	m := e.memory.fresh(e.now)
	if m.Revision != e.in.Revision {
		m.Failures, m.ReadySince = Failures{}, time.Time{}
	}
	m.Failures = m.Failures.after(e.in.Replicas, e.in.Revision)
	for i := range e.in.Replicas {
		if r := &e.in.Replicas[i]; r.Revision == e.in.Revision && !r.FirstReadyAt.IsZero() {
			m.EverReady = r.Revision
		}
	}
	if rule := e.rule(); rule == serve.SteadyPlacer {
		m.Zones = Zones{}
	} else {
		m.Zones = m.Zones.among(rule, e.in.Offers, e.in.Replicas).served(e.in.Replicas, m.Risk.Measured)
		e.spread.visit(m.Zones.Tries)
	}
	m.Risk = m.Risk.measured(e.in.Replicas)
	e.memory = m
	e.hold()
	e.doubt = e.doubting()
	e.forgive()
}

// after gives the count with the records of failed replicas taken in. A record
// may be seen again and again; it counts once.
func (f Failures) after(records []serve.Replica, revision int64) Failures {
	var failed []*serve.Replica
	for i := range records {
		if r := &records[i]; r.Revision == revision && r.Status().IsTerminal() && (r.Cause.IsFailure() || r.Launch == serve.LaunchFailed) {
			failed = append(failed, r)
		}
	}
	slices.SortFunc(failed, func(a, b *serve.Replica) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range failed {
		if r.RestartedAt.IsZero() && r.ID > f.Replica && !r.CreatedAt.Before(f.At) || r.RestartedAt.After(f.At) {
			f = Failures{Count: f.Count + 1, At: r.EndedAt.UTC().Round(0), Replica: r.ID}
		}
	}
	return f
}

// forgive begins the count anew once a replica made after the last failure has
// proved that the revision works.
func (e *evaluation) forgive() {
	f := &e.memory.Failures
	if f.Count == 0 {
		return
	}
	for _, r := range e.newest {
		if r.ID <= f.Replica && r.RestartedAt.IsZero() || r.BegunAt().Before(f.At) || r.Status() != serve.Ready {
			continue
		}
		if proved := r.FirstReadyAt.Add(proof); proved.After(e.now) {
			e.wake(proved)
		} else {
			f.Count = 0
			return
		}
	}
}

// frozen says why nothing may be launched or removed: the newest revision has
// shown that it will never work as it is, before it ever did. What serves by an
// older revision goes on serving.
func (e *evaluation) frozen() string {
	if e.memory.EverReady == e.in.Revision {
		return ""
	}
	var ids []string
	for _, r := range e.in.Replicas {
		if r.Revision == e.in.Revision && r.IsUnrecoverable() {
			ids = append(ids, fmt.Sprint(r.ID))
		}
	}
	switch len(ids) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("Replica %s of revision %d failed for good and none was ever ready: nothing is launched or removed until the service is updated.", ids[0], e.in.Revision)
	default:
		return fmt.Sprintf("Replicas %s of revision %d failed for good and none was ever ready: nothing is launched or removed until the service is updated.", strings.Join(ids, ", "), e.in.Revision)
	}
}

// backingOff says why replicas that failed are not replaced yet, empty when
// they may be.
func (e *evaluation) backingOff() string {
	f := e.memory.Failures
	if f.Count < 2 {
		return ""
	}
	until := f.At.Add(backoff(f.Count-1, failureFirst, failureLimit))
	if !until.After(e.now) {
		return ""
	}
	e.wake(until)
	return fmt.Sprintf("Replicas of revision %d failed %s in a row, replica %d last%s: the next is launched at %s.", e.in.Revision, times(f.Count), f.Replica, e.lastWords(f.Replica), clock(until))
}

// lastWords gives why a replica failed, to follow its name, if its record is
// still there and says so.
func (e *evaluation) lastWords(id int64) string {
	for _, r := range e.in.Replicas {
		if r.ID == id {
			return because(r.Message)
		}
	}
	return ""
}
