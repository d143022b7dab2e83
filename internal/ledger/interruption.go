// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package ledger

import (
	"maps"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// interrupted reports whether a replica ends because its machine was, or will
// be, taken away. That of an on-demand machine is as good a reason to know.
func interrupted(r serve.Replica) bool {
	return r.Teardown != "" && (r.Cause == serve.CausePreempted || r.Cause == serve.CauseLost)
}

// lost gives the interruptions that are new: of machines that are interrupted
// and were not before. One that came up and was lost between two samples has no
// before. What never came up is no loss, it is a launch that failed.
func lost(before, after []serve.Machine, replicas []serve.Replica) []serve.Interruption {
	var found []serve.Interruption
	for _, m := range after {
		if known, _ := find(before, m.Replica); !m.Interrupted || known.Interrupted {
			continue
		}
		for _, r := range replicas {
			if r.ID != m.Replica {
				continue
			}
			found = append(found, serve.Interruption{
				Replica: r.ID, Market: r.Market, Location: r.Offer.Location, At: r.EndedAt,
				NoticeSeconds: max(0, r.DrainUntil.Sub(r.EndedAt).Seconds()),
			})
		}
	}
	return found
}

// settle closes the interruptions that are made good. Enough ready replicas do
// not suffice: a machine under notice may be one of them, and is still to go.
func settle(list []serve.Interruption, l serve.Ledger) []serve.Interruption {
	if l.Ready < l.Target {
		return list
	}
	for i, one := range list {
		if _, there := find(l.Machines, one.Replica); !there && one.Over.IsZero() {
			list[i].Over = l.At
		}
	}
	return list
}

// Toll is what the failures of a replica have cost requests.
type Toll struct{ Retried, Lost int64 }

// Charge enters what requests the interruptions have cost, by replica, and gives
// what is in no interruption of the books. Nothing changes in those who hold l.
func Charge(l serve.Ledger, tolls map[int64]Toll) (charged serve.Ledger, rest map[int64]Toll) {
	if len(tolls) == 0 {
		return l, nil
	}
	l.Interruptions, rest = slices.Clone(l.Interruptions), maps.Clone(tolls)
	for i := range l.Interruptions {
		one := &l.Interruptions[i]
		one.RequestsRetried += rest[one.Replica].Retried
		one.RequestsLost += rest[one.Replica].Lost
		delete(rest, one.Replica)
	}
	return l, rest
}
