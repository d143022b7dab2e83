// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// removal is the end of a replica that is being considered.
type removal struct {
	replica *serve.Replica
	cause   serve.Cause
	why     string
}

// removals gives what is to go: old revisions first, then what is too much of
// each market.
func (e *evaluation) removals(demands []demand) []removal {
	var surplus []removal
	for _, d := range demands {
		surplus = append(surplus, e.surplus(d)...)
	}
	return e.spareLast(append(e.outdated(surplus, carried(demands)), surplus...))
}

// surplus gives the replicas of a market that are too many.
func (e *evaluation) surplus(d demand) []removal {
	var ends []removal
	for _, r := range e.leastUseful(d.live, len(d.live)-d.keep) {
		ends = append(ends, removal{r, serve.CauseScaleDown, fmt.Sprintf("%s %s there and %d %s wanted: %s; replica %d, which is %s, goes before those that stay",
			replicasOf(d.market, len(d.live)), are(len(d.live)), d.keep, are(d.keep), d.why, r.ID, r.Status())})
	}
	return ends
}

// spareLast holds the removal of the last ready replica back while the service
// is to have any: what is to take over is not ready yet. Of several that are
// all to go it spares the one that would go last.
func (e *evaluation) spareLast(ends []removal) []removal {
	ready := countReady(e.newest) + countReady(e.old)
	var last *serve.Replica
	for _, r := range ends {
		if r.replica.Status() != serve.Ready {
			continue
		}
		ready--
		if last == nil || e.compare(r.replica, last) > 0 {
			last = r.replica
		}
	}
	u := e.in.Spec.RollingUpdate
	mayBeNone := u != nil && u.MaxSurge == 0 && u.MaxUnavailable >= e.final // else nothing could be replaced
	if e.final == 0 || ready > 0 || last == nil || mayBeNone {
		return ends
	}
	return slices.DeleteFunc(ends, func(r removal) bool { return r.replica.ID == last.ID })
}

// leastUseful gives the n replicas to go first, the first of them first.
func (e *evaluation) leastUseful(replicas []*serve.Replica, n int) []*serve.Replica {
	if n <= 0 {
		return nil
	}
	return slices.SortedFunc(slices.Values(replicas), e.compare)[:min(n, len(replicas))]
}

// compare orders replicas by who goes first: who is least advanced, then who
// takes least load where replicas differ in that, then the oldest revision, then
// the newest replica.
func (e *evaluation) compare(a, b *serve.Replica) int {
	q := e.policy.TargetQPSPerReplica
	return cmp.Or(
		cmp.Compare(advance(a), advance(b)),
		cmp.Compare(Weight(q, a.Offer.Accelerators), Weight(q, b.Offer.Accelerators)),
		cmp.Compare(a.Revision, b.Revision),
		cmp.Compare(b.ID, a.ID),
	)
}

// advance is how far a replica has come on its way to being ready.
func advance(r *serve.Replica) int {
	switch {
	case r.Launch == serve.LaunchWaiting:
		return 0
	case r.Status() == serve.Pending:
		return 1
	case r.Status() == serve.Provisioning:
		return 2
	case r.Status() == serve.Starting:
		return 3
	case r.Status() == serve.NotReady:
		return 4
	default:
		return 5
	}
}

// staying gives the replicas that are not among the ends.
func staying(replicas []*serve.Replica, ends []removal) []*serve.Replica {
	return slices.DeleteFunc(slices.Clone(replicas), func(r *serve.Replica) bool {
		return slices.ContainsFunc(ends, func(gone removal) bool { return gone.replica.ID == r.ID })
	})
}
