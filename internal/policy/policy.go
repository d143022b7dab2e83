// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package policy decides. [Plan] is a pure function from what is known at one
// moment to what should be done: it reads no clock, draws no random number,
// starts nothing and remembers nothing. What it must remember from one call to
// the next is a value, [Memory], that it returns and its caller stores.
package policy

import (
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Input is what is known at one moment.
type Input struct {
	// Spec is the newest accepted spec, and Revision its number.
	Spec     serve.Spec
	Revision int64
	// Replicas are all records, those of terminal replicas and of old revisions
	// included, in ascending order of id.
	Replicas []serve.Replica
	// Offers is everything that could be had in the allowed locations, in both
	// markets.
	Offers []serve.Offer
	// Requests is how many client requests have arrived within the last [Window].
	Requests int
	// NextID is the id of the next replica to be made.
	NextID int64
	// Memory is what the previous call returned; its zero value begins.
	Memory Memory
}

// Output is what should be done.
type Output struct {
	Decisions []serve.Decision
	Memory    Memory
	// Target is how many replicas autoscaling wants, without overprovision.
	Target int
	// Next is the earliest moment at which Plan could decide something new
	// although nothing was observed in between; zero means never.
	Next time.Time
	// Hold says why nothing is launched although replicas are missing, as a
	// sentence for the service's status; empty when nothing holds.
	Hold string
}
