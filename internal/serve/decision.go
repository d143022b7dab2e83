// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

// Action is what a decision does.
type Action string

// The actions.
const (
	// Launch makes a new replica with the given id from the given offer; a zero
	// offer makes the record and lets it wait.
	Launch Action = "launch"
	// Retry gives a waiting replica another offer to try.
	Retry Action = "retry"
	// Terminate drains a replica and ends its machine.
	Terminate Action = "terminate"
	// Relabel lets a running replica count as one of a newer revision, because
	// what it runs is the same.
	Relabel Action = "relabel"
	// Restart has the machine of a running replica run what a newer revision says,
	// because it is of the shape that revision asks for.
	Restart Action = "restart"
)

// Decision is one thing the policy wants done. It is a value: carrying it out
// is the controller's work.
type Decision struct {
	Action    Action `json:"action"`
	ReplicaID int64  `json:"replica_id"`
	// Revision is the revision of a launched, relabelled or restarted replica.
	Revision int64  `json:"revision,omitempty"`
	Market   Market `json:"market,omitempty"`
	Offer    Offer  `json:"offer,omitzero"`
	// Cause is set for Terminate.
	Cause Cause `json:"cause,omitempty"`
	// Reason says why, with the numbers, for a person: "1 of 2 spot replicas is
	// ready: on-demand stands in for 1". It is never empty.
	Reason string `json:"reason"`
	// Rejected lists what else was considered and why it was not chosen.
	Rejected []Rejection `json:"rejected,omitempty"`
}

// Rejection is an alternative that was not taken.
type Rejection struct {
	What string `json:"what"`
	Why  string `json:"why"`
}
