// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// relabel lets replicas of older revisions that run the very same task count as
// ones of the newest, here and now. An update of the policy alone restarts nothing.
func (e *evaluation) relabel() {
	if len(e.old) == 0 {
		return
	}
	task := e.in.Spec.Task.Digest()
	e.old = slices.DeleteFunc(e.old, func(r *serve.Replica) bool {
		if r.Task != task {
			return false
		}
		e.decide(serve.Decision{
			Action: serve.Relabel, ReplicaID: r.ID, Revision: e.in.Revision, Market: r.Market,
			Reason: fmt.Sprintf("what it runs is the same in revisions %d and %d", r.Revision, e.in.Revision),
		})
		relabelled := *r
		relabelled.Revision = e.in.Revision
		e.newest = append(e.newest, &relabelled)
		return true
	})
}

// activate decides which revision serves where that is to be one alone. The
// newest takes over once it has as many ready replicas as there are at least to
// be, and as many as have served before, as far as that many are wanted. Until
// then the one before serves. Where several do, because the updates before were
// rolling, they go on together: to choose among them would be to lose the others.
//
// SkyServe switches at min_replicas, however many the old revision has. A service
// that has scaled up to meet its load would meet it with a part of that.
func (e *evaluation) activate() {
	m := &e.memory
	if e.in.Spec.UpdateMode != serve.BlueGreen {
		m.Active = 0
		return
	}
	ready, served := map[int64]int{}, 0
	for _, r := range e.old {
		if r.Status() == serve.Ready {
			ready[r.Revision]++
			served++
		}
	}
	before := m.Active
	if ready[before] == 0 {
		before = 0
		for revision := range ready {
			if before = revision; len(ready) > 1 {
				before = 0
				break
			}
		}
	}
	if before != 0 {
		served = ready[before]
	}
	// The mix can want fewer than the target and what is overprovisioned.
	wanted := min(e.final, carried(e.mix()))
	switch taken := countReady(e.newest); {
	case e.final == 0, taken > 0 && served == 0, taken >= max(1, min(wanted, max(e.policy.MinReplicas, served))):
		m.Active = e.in.Revision
	case served > 0:
		m.Active = before
	}
}

// carried is how many replicas of the newest revision a mix has room for.
func carried(mix []demand) int {
	n := 0
	for _, d := range mix {
		n += d.keep
	}
	return n
}

// outdated gives the old replicas that are to go, by the rule of the rollout.
func (e *evaluation) outdated(surplus []removal, carry int) []removal {
	if e.in.Spec.UpdateMode == serve.BlueGreen {
		return e.blueGreen()
	}
	return e.rolling(surplus, carry)
}

// blueGreen gives up all replicas but those of the newest revision and of the one
// that serves: others would never serve again. While nobody is ready nothing
// goes, as anybody may be ready first, nor while several serve.
func (e *evaluation) blueGreen() []removal {
	if e.memory.Active == 0 || e.final > 0 && countReady(e.newest)+countReady(e.old) == 0 {
		return nil
	}
	var ends []removal
	for _, r := range e.leastUseful(e.old, len(e.old)) {
		if r.Revision == e.memory.Active {
			continue
		}
		ends = append(ends, removal{r, serve.CauseOutdated, fmt.Sprintf("revision %d serves alone%s; replica %d of revision %d, which is %s, has nothing left to do",
			e.memory.Active, e.following(), r.ID, r.Revision, r.Status())})
	}
	return ends
}

// rolling gives up an old replica for each new one that is ready, the least
// advanced first. The new revision carries the service alone once it has as many
// ready replicas as there are to be; carry bounds that number by what the mix
// wants, which can be less.
//
// So with two to be and the old ones 1 and 2 ready: while the new ones boot,
// both old ones stay; when one new one is ready, replica 2 goes; when both are,
// replica 1.
func (e *evaluation) rolling(surplus []removal, carry int) []removal {
	ready := countReady(staying(e.newest, surplus))
	share := min(e.final, carry)
	keep := max(0, share-ready-e.mayLack())
	var ends []removal
	for _, r := range e.leastUseful(e.old, len(e.old)-keep) {
		ends = append(ends, removal{r, serve.CauseOutdated, fmt.Sprintf("revision %d has %d of %d replicas ready, so that %d of %d old ones stay; replica %d of revision %d, which is %s, goes before those",
			e.in.Revision, ready, share, min(keep, len(e.old)), len(e.old), r.ID, r.Revision, r.Status())})
	}
	return ends
}

// mayLack is how many replicas less than wanted an update may leave.
func (e *evaluation) mayLack() int {
	if u := e.in.Spec.RollingUpdate; u != nil {
		return u.MaxUnavailable
	}
	return 0
}

// limit bounds the launches of a rolling update, while old replicas serve or end:
// there are never more machines than wanted and the surge, those included that are
// only draining, but not those that cannot be ended, which may be for ever. So
// stand-ins for new spot replicas come only as there is room: the old ones stand in
// for them.
func (e *evaluation) limit() {
	u := e.in.Spec.RollingUpdate
	if u == nil || e.in.Spec.UpdateMode == serve.BlueGreen {
		return
	}
	ending := 0
	for _, r := range e.in.Replicas {
		ending += countIf(r.Teardown == serve.TeardownScheduled || r.Teardown == serve.TeardownRunning) *
			countIf(r.Cause == serve.CauseOutdated || r.Cause == serve.CauseScaleDown)
	}
	if ending == 0 && countReady(e.old) == 0 {
		return // there is no update, or nobody who serves could be spared for it
	}
	e.bounded, e.room = true, e.final+u.MaxSurge-ending-offered(e.old)-offered(e.newest)
}

// following says which revision is to serve after the one that serves.
func (e *evaluation) following() string {
	if e.memory.Active == e.in.Revision {
		return ""
	}
	return fmt.Sprintf(", and revision %d is to follow it", e.in.Revision)
}
