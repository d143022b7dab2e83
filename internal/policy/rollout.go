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

// outdated gives the old replicas that are to go, by the rule of the rollout.
// There is one rule so far, rolling; others differ in this answer alone.
func (e *evaluation) outdated(surplus []removal, carry int) []removal {
	return e.rolling(surplus, carry)
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
	keep := max(0, share-ready)
	var ends []removal
	for _, r := range e.leastUseful(e.old, len(e.old)-keep) {
		ends = append(ends, removal{r, serve.CauseOutdated, fmt.Sprintf("revision %d has %d of %d replicas ready, so that %d of %d old ones stay; replica %d of revision %d, which is %s, goes before those",
			e.in.Revision, ready, share, min(keep, len(e.old)), len(e.old), r.ID, r.Revision, r.Status())})
	}
	return ends
}
