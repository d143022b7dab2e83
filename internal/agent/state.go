// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import "time"

// Phase is how far a machine is with its order.
type Phase string

// The phases, in their order.
const (
	// PhaseWaiting is a machine that has no program yet. It is not the agent that
	// says so but what the user data has put there to receive it.
	PhaseWaiting Phase = "waiting"
	// PhaseIdle is an agent that has no order yet.
	PhaseIdle Phase = "idle"
	// PhaseFurnishing is an agent that has its order and unpacks the files of it.
	PhaseFurnishing Phase = "furnishing"
	// PhaseSetup and PhaseRun are the scripts being run.
	PhaseSetup Phase = "setup"
	PhaseRun   Phase = "run"
	// PhaseExited is an order that has come to an end.
	PhaseExited Phase = "exited"
)

// State is what a machine says of itself.
type State struct {
	Phase Phase `json:"phase"`
	// Revision is that of the order, zero before there is one.
	Revision int64 `json:"revision,omitempty"`
	// Last is what has ended in PhaseExited: PhaseFurnishing when the files could
	// not be put in place, or else PhaseSetup or PhaseRun.
	Last Phase `json:"last,omitempty"`
	// ExitCode is how it ended, as a shell would show it.
	ExitCode int `json:"exit_code,omitempty"`
	// Detail says more about the end, for people.
	Detail string `json:"detail,omitempty"`
	// Invalid says that the same order can never succeed.
	Invalid bool `json:"invalid,omitempty"`
	// Warnings are what is known of the machine's own end, oldest first. There is
	// one of each kind at most.
	Warnings []Warning `json:"warnings,omitempty"`
}

// WarningKind sorts warnings.
type WarningKind string

// The kinds of warnings.
const (
	// WarningInterruption is a machine that will be taken at the deadline.
	WarningInterruption WarningKind = "interruption"
	// WarningRebalance is a machine that is likelier than others to be taken soon.
	// It has no deadline.
	WarningRebalance WarningKind = "rebalance"
	// WarningScaling is a machine that its group is about to end. It has no deadline.
	WarningScaling WarningKind = "scaling"
	// WarningShutdown is a machine that is being shut down. Its program has been
	// asked to end, and has until the deadline.
	WarningShutdown WarningKind = "shutdown"
)

// Warning tells that a machine is going to end.
type Warning struct {
	Kind WarningKind `json:"kind"`
	// At is when the machine heard of it, Deadline when it is to happen.
	At       time.Time `json:"at"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Detail says more, for people: what the cloud has said.
	Detail string `json:"detail,omitempty"`
}
