// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "time"

// Revise makes spec the newest revision. The spec before it is remembered, for
// the replicas that run it.
func (s *State) Revise(spec Spec, at time.Time) {
	if s.Revision > 0 {
		if s.Old == nil {
			s.Old = map[int64]Spec{}
		}
		s.Old[s.Revision] = s.Spec
	}
	s.Revision++
	s.Spec, s.UpdatedAt, s.RolledBack = spec, at, nil
}

// GiveUp puts the spec of the good revision in force again, as a revision of its
// own that is good from the beginning, and notes why. So replicas of the good
// revision are kept by the ordinary rule, as they run the same task.
func (s *State) GiveUp(reason string, replica int64, at time.Time) {
	given := RolledBack{Revision: s.Revision, Good: s.Good, At: at, Reason: reason, Replica: replica}
	s.Revise(s.SpecOf(s.Good), at)
	s.Good, s.RolledBack = s.Revision, &given
}
