// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "time"

// EventKind sorts events.
type EventKind string

// The kinds of events.
const (
	EventDecision EventKind = "decision" // the policy decided something
	EventStatus   EventKind = "status"   // a replica or the service changed state
	EventNotice   EventKind = "notice"   // a cloud told us something
	EventSpec     EventKind = "spec"     // a spec was accepted, or a deletion asked for
	EventRecovery EventKind = "recovery" // a controller started again and took stock
	EventError    EventKind = "error"    // something went wrong that a person may want to know
)

// Event is one line of a service's history.
type Event struct {
	// Seq numbers the events of a service from 1, without gaps.
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Kind EventKind `json:"kind"`
	// ReplicaID is 0 for events of the whole service.
	ReplicaID int64 `json:"replica_id,omitempty"`
	// Message says what happened, as a sentence.
	Message string `json:"message"`
	// Decision is set for decisions: its reason and what was rejected.
	Decision *Decision `json:"decision,omitempty"`
	// From and To are set for changes of state.
	From Status `json:"from,omitempty"`
	To   Status `json:"to,omitempty"`
}
