// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"
)

// maxHistory is how many revisions are remembered.
const maxHistory = 20

// Revised is what became of a revision.
type Revised struct {
	Revision int64 `json:"revision"`
	// At is when it was accepted, and Changed names the fields of the spec in which
	// it differs from the one before; none for the first.
	At      time.Time `json:"at"`
	Changed []string  `json:"changed,omitempty"`
	// BackTo is the revision whose spec it has again, after one was given up; 0 for
	// one that somebody has asked for.
	BackTo int64 `json:"back_to,omitempty"`
	// ProvenAt is when it was good, zero before.
	ProvenAt time.Time `json:"proven_at,omitzero"`
	// GivenUpAt is when it was given up, zero if it was not, and Reason says why.
	GivenUpAt time.Time `json:"given_up_at,omitzero"`
	Reason    string    `json:"reason,omitempty"`
}

// Revise makes spec the newest revision. The spec before it is remembered, for
// the replicas that run it.
func (s *State) Revise(spec Spec, at time.Time) {
	entry := Revised{Revision: s.Revision + 1, At: at}
	if s.Revision > 0 {
		entry.Changed = changed(s.Spec, spec)
		if s.Old == nil {
			s.Old = map[int64]Spec{}
		}
		s.Old[s.Revision] = s.Spec
	}
	s.Revision++
	s.Spec, s.UpdatedAt, s.RolledBack = spec, at, nil
	// Shown to others as it was, it must not change under them.
	s.History = append(slices.Clone(s.History[max(0, len(s.History)-maxHistory+1):]), entry)
}

// Prove notes that the newest revision is good: what later ones go back to.
func (s *State) Prove(at time.Time) {
	s.Good = s.Revision
	s.amend(func(r *Revised) { r.ProvenAt = at })
}

// GiveUp puts the spec of the good revision in force again, as a revision of its
// own that is good from the beginning, and notes why. So replicas of the good
// revision are kept by the ordinary rule, as they run the same task.
func (s *State) GiveUp(reason string, replica int64, at time.Time) {
	given := RolledBack{Revision: s.Revision, Good: s.Good, At: at, Reason: reason, Replica: replica}
	s.amend(func(r *Revised) { r.GivenUpAt, r.Reason = at, reason })
	s.Revise(s.SpecOf(s.Good), at)
	s.amend(func(r *Revised) { r.BackTo, r.ProvenAt = given.Good, at })
	s.Good, s.RolledBack = s.Revision, &given
}

// amend changes what is remembered of the newest revision, if that is.
func (s *State) amend(change func(*Revised)) {
	if n := len(s.History); n > 0 && s.History[n-1].Revision == s.Revision {
		s.History = slices.Clone(s.History)
		change(&s.History[n-1])
	}
}

// changed names the fields in which two specs differ, in order.
func changed(old, now Spec) []string {
	was, is := fields(old), fields(now)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if !reflect.DeepEqual(was[name], is[name]) {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, there := is[name]; !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fields gives the fields of a spec by the names that users know.
func fields(s Spec) map[string]any {
	var all map[string]any
	data, err := json.Marshal(s)
	if err != nil || json.Unmarshal(data, &all) != nil {
		return nil // a spec that was accepted can be written
	}
	return all
}
