// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"fmt"
	"slices"
	"time"
)

// Find gives the record of a replica, nil when there is none.
func (s *State) Find(id int64) *Replica {
	i := slices.IndexFunc(s.Replicas, func(r Replica) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Replicas[i]
}

// Accept enters a decision into the records, as what is intended from now on.
// An error says why the decision does not go with the records, which it then
// leaves as they are.
func (s *State) Accept(d Decision, at time.Time) error {
	if d.Action == Launch {
		if d.ReplicaID != s.NextID {
			return fmt.Errorf("replica id %d is not the next one, %d", d.ReplicaID, s.NextID)
		}
		s.NextID = d.ReplicaID + 1
		r := Replica{ID: d.ReplicaID, Revision: d.Revision, Market: d.Market, Task: s.Spec.Task.Digest(), Shape: s.Spec.Task.Shape(), CreatedAt: at}
		r.intend(d)
		s.Replicas = append(s.Replicas, r)
		return nil
	}
	r := s.Find(d.ReplicaID)
	if r == nil || r.Teardown != "" {
		return fmt.Errorf("replica %d is not running", d.ReplicaID)
	}
	switch d.Action {
	case Retry:
		if r.Launch != LaunchWaiting {
			return fmt.Errorf("replica %d is not waiting for an offer", d.ReplicaID)
		}
		r.intend(d)
	case Terminate:
		r.End(d.Cause, at)
	case Relabel:
		r.Revision, r.Shape = d.Revision, s.Spec.Task.Shape()
	case Restart:
		if r.Launch != LaunchSucceeded || r.Restart != "" {
			return fmt.Errorf("replica %d is not running its program", d.ReplicaID)
		}
		r.renew(d.Revision, s.Spec.Task, at)
	default:
		return fmt.Errorf("unknown action %q", d.Action)
	}
	return nil
}

// intend notes the offer that the launch of a replica is to be asked of, or that
// it waits for one.
func (r *Replica) intend(d Decision) {
	r.Offer, r.Launch, r.Message = d.Offer, LaunchPending, ""
	if d.Offer.IsZero() {
		r.Launch, r.Message = LaunchWaiting, d.Reason
	}
}

// renew notes that a replica is to run the task of another revision where it is.
// What it was before on that machine says nothing about that task: it is a new
// replica in all but its machine.
func (r *Replica) renew(revision int64, task Task, at time.Time) {
	r.Revision, r.Task, r.Shape = revision, task.Digest(), task.Shape()
	r.Restart, r.RestartedAt, r.DrainUntil = RestartScheduled, at, at
	r.Ready, r.FirstReadyAt, r.FailingSince = false, time.Time{}, time.Time{}
	r.Exited, r.Message, r.Attempts = "", "", 0
}

// End notes that a replica is to go, without giving requests under way any time.
func (r *Replica) End(cause Cause, at time.Time) {
	r.Teardown, r.Cause, r.EndedAt, r.DrainUntil = TeardownScheduled, cause, at, at
}
