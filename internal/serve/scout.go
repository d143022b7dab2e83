// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "context"

// Scout is a [Deployer] by which the clouds can be asked before there is a
// controller.
type Scout interface {
	// Scout gives those that a controller of the service has machines from, or would
	// have, its own first. They are there to be asked: nothing can be launched by
	// them.
	Scout(service string) ([]Cloud, error)
}

// Preflighter is a [Cloud] that can tell beforehand what would keep it from
// launching.
type Preflighter interface {
	// Preflight looks, and changes nothing. No findings mean that nothing is known to
	// be in the way, not that all will be well.
	//
	// ErrUnauthorized and ErrInvalid mean that the cloud cannot be used as it is
	// reached; any other error that nothing is known.
	Preflight(ctx context.Context, p Preflight) ([]Finding, error)
}

// Preflight is what somebody is about to ask of a cloud.
type Preflight struct {
	Service string
	// Entries are those of the resources that may be in the cloud, complete.
	Entries []Resource
	// Spot and OnDemand are how many machines of each market there may be at a time,
	// of all entries together.
	Spot, OnDemand int
}

// AllEntries stands for the index of an entry where it is about all of them together.
const AllEntries = -1

// Finding is something that will be in the way.
type Finding struct {
	// Entry is the index of the entry that it is about, or AllEntries.
	Entry int
	// Field is the attribute of it to blame, as in JSON; empty for the whole.
	Field string
	// Hopeless is set if what it is about can have no machine as long as it is so.
	Hopeless bool
	// Message says what is in the way and what to do about it, as sentences.
	Message string
}
