// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// inPlace divides what is to go into the replicas that are restarted instead, as
// their machines are of the shape that the newest revision asks for, and the rest.
// That is for rolling updates with bounds, which say how many may be missing: one
// that is restarted is missing until it is ready again, just as if it had gone.
//
// What is restarted for the revision before is left alone until that is done.
//
// So with three to be, max_surge = 1 and max_unavailable = 0: replica 4 is
// launched. When it is ready, replica 3 is restarted, and when that is ready
// replica 2; then there are three, and replica 1 goes. With max_surge = 0 and
// max_unavailable = 1 all three are restarted one after the other.
func (e *evaluation) inPlace(demands []demand, ends []removal) (again, rest []removal) {
	fitting := e.fitting()
	if len(fitting) == 0 {
		return nil, ends
	}
	room := map[serve.Market]int{}
	for _, d := range demands {
		room[d.market] = d.want - len(d.live)
	}
	for _, r := range append(ends, e.missing(fitting, ends)...) {
		market := r.replica.Market
		switch {
		case !slices.Contains(fitting, r.replica) || room[market] <= 0:
			if r.cause != "" {
				rest = append(rest, r)
			}
		case r.replica.Restart == "":
			room[market]--
			r.why += fmt.Sprintf("; its machine will do for revision %d, so that only its program is restarted", e.in.Revision)
			again = append(again, r)
		}
	}
	e.restrain(len(again) > 0 || countReady(e.newest) < len(e.newest), len(fitting))
	return again, rest
}

// fitting gives the old replicas that could run the newest revision where they are.
func (e *evaluation) fitting() []*serve.Replica {
	if e.in.Spec.UpdateMode == serve.BlueGreen || e.in.Spec.RollingUpdate == nil {
		return nil
	}
	shape := e.in.Spec.Task.Shape()
	var fitting []*serve.Replica
	for _, r := range e.old {
		if r.Launch == serve.LaunchSucceeded && r.Shape == shape && slices.Contains(e.in.Restarts, r.Offer.Location.Cloud) {
			fitting = append(fitting, r)
		}
	}
	return fitting
}

// missing gives the replicas that need not wait for their turn, without a cause to
// go: those that were never ready, and all while no old one serves.
func (e *evaluation) missing(fitting []*serve.Replica, ends []removal) []removal {
	idle := countReady(e.old) == 0
	var missing []removal
	for _, r := range fitting {
		goes := slices.ContainsFunc(ends, func(end removal) bool { return end.replica == r })
		if !goes && r.Status() != serve.Ready && (idle || r.FirstReadyAt.IsZero()) {
			missing = append(missing, removal{replica: r, why: fmt.Sprintf("replica %d of revision %d, which is %s, is missing anyway", r.ID, r.Revision, r.Status())})
		}
	}
	return missing
}

// restrain bounds the launches while there are machines that only have to be
// restarted: to what is missing besides, or to stand-ins when nothing would go on
// without. For half of those there are to restart that is worth its price.
func (e *evaluation) restrain(goesOn bool, fitting int) {
	room := max(0, e.final-len(e.newest)-fitting)
	if !goesOn {
		room = max(room, min(e.in.Spec.RollingUpdate.MaxSurge, max(1, fitting/2)))
	}
	if !e.bounded || room < e.room {
		e.bounded, e.room = true, room
	}
}
