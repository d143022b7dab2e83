// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "time"

// Status is the state of a replica or a service in SkyServe's words.
type Status string

// The states of a replica.
const (
	Pending            Status = "PENDING"              // recorded; its launch waits for a slot
	Provisioning       Status = "PROVISIONING"         // a machine is being looked for or made
	Starting           Status = "STARTING"             // the machine is up; no probe has succeeded yet
	Ready              Status = "READY"                // the last probe succeeded
	NotReady           Status = "NOT_READY"            // was ready; the last probe failed
	ShuttingDown       Status = "SHUTTING_DOWN"        // being drained or torn down
	Preempted          Status = "PREEMPTED"            // its spot machine was taken; being cleared away
	Failed             Status = "FAILED"               // setup or run ended in failure
	FailedInitialDelay Status = "FAILED_INITIAL_DELAY" // never became ready in time
	FailedProbing      Status = "FAILED_PROBING"       // was ready, then failed its probes for too long
	FailedProvision    Status = "FAILED_PROVISION"     // its machine could not be had, for good
	FailedCleanup      Status = "FAILED_CLEANUP"       // its machine could not be ended: it may still cost money
)

// IsFailed reports whether the state is one of the FAILED ones. A failed
// replica is kept as a record only; it does not count in REPLICAS.
func (s Status) IsFailed() bool {
	switch s {
	case Failed, FailedInitialDelay, FailedProbing, FailedProvision, FailedCleanup:
		return true
	default:
		return false
	}
}

// IsTerminal reports whether a replica in this state will never serve again.
func (s Status) IsTerminal() bool {
	return s.IsFailed() || s == ShuttingDown || s == Preempted
}

// LaunchState is how far the launch of a replica's machine has come.
type LaunchState string

// The states of a launch.
const (
	LaunchPending   LaunchState = "pending"   // not begun: the intent is stored, a slot is awaited
	LaunchWaiting   LaunchState = "waiting"   // nothing to be had for now; policy will choose another offer
	LaunchRunning   LaunchState = "running"   // the cloud has been asked
	LaunchSucceeded LaunchState = "succeeded" // the machine is there
	LaunchFailed    LaunchState = "failed"    // given up
)

// TeardownState is how far the end of a replica has come.
type TeardownState string

// The states of a teardown. The empty state means that none was asked for.
const (
	TeardownScheduled TeardownState = "scheduled" // decided; draining, or about to begin
	TeardownRunning   TeardownState = "running"   // the cloud has been asked to end the machine
	TeardownSucceeded TeardownState = "succeeded" // the machine is gone
	TeardownFailed    TeardownState = "failed"    // the cloud would not end it; tried again now and then
)

// RestartState is how far the restart of a replica's program on its own machine
// has come. The empty state means that none was asked for, or that it is done.
type RestartState string

// The states of a restart.
const (
	RestartScheduled RestartState = "scheduled" // decided; requests under way are finished
	RestartRunning   RestartState = "running"   // the cloud has been asked
)

// Cause is why a replica is torn down.
type Cause string

// The causes of a teardown. Records with a failure cause are kept when the
// machine is gone, the others are removed.
const (
	CauseScaleDown    Cause = "scale_down"    // policy has no use for it any more
	CauseOutdated     Cause = "outdated"      // a newer revision has taken over
	CauseRequested    Cause = "requested"     // a person asked for it
	CauseDeleted      Cause = "deleted"       // the service is being deleted
	CausePreempted    Cause = "preempted"     // the cloud took the machine, or gave notice that it will
	CauseLost         Cause = "lost"          // an on-demand machine is gone
	CauseAppFailed    Cause = "app_failed"    // setup or run ended in failure
	CauseInitialDelay Cause = "initial_delay" // never ready in time
	CauseProbing      Cause = "probing"       // was ready, failed for too long
	CauseProvision    Cause = "provision"     // the launch failed for good
)

// failure gives the state a replica rests in when it was torn down for c, or
// the empty state when its record is not kept.
func (c Cause) failure() Status {
	switch c {
	case CauseAppFailed:
		return Failed
	case CauseInitialDelay:
		return FailedInitialDelay
	case CauseProbing:
		return FailedProbing
	case CauseProvision:
		return FailedProvision
	default:
		return ""
	}
}

// IsFailure reports whether c leaves a failure record behind.
func (c Cause) IsFailure() bool { return c.failure() != "" }

// Replica is the stored record of one replica: what was intended and what was
// seen. Its [Replica.Status] follows from these facts alone.
type Replica struct {
	// ID is unique within the service for ever; ids are never used again.
	ID       int64  `json:"id"`
	Revision int64  `json:"revision"`
	Market   Market `json:"market"`
	// Offer is what the launch was, or will be, asked of; zero while policy has
	// found none.
	Offer Offer `json:"offer"`
	// Task is the digest of what the replica runs; see [Task.Digest].
	Task string `json:"task"`
	// Shape is the digest of the machine that was asked for; see [Task.Shape]. Empty
	// in a record from before there was any.
	Shape string `json:"shape,omitempty"`

	CreatedAt time.Time     `json:"created_at"`
	Launch    LaunchState   `json:"launch"`
	Teardown  TeardownState `json:"teardown,omitempty"`
	Cause     Cause         `json:"cause,omitempty"`
	// Message is the last thing worth telling a person about the replica: why it
	// waits, why it failed.
	Message string `json:"message,omitempty"`

	// Exited says how run ended when it ended well, which is no failure by itself:
	// it may have left a server in the background.
	Exited string `json:"exited,omitempty"`

	// Instance is the cloud's name for the machine, Address "host:port" of the
	// server on it. Both are empty until the launch succeeds.
	Instance string `json:"instance,omitempty"`
	Address  string `json:"address,omitempty"`

	// LaunchedAt is when the machine came up, FirstReadyAt when the first probe
	// succeeded, FailingSince when the present run of failed probes began.
	LaunchedAt   time.Time `json:"launched_at,omitzero"`
	FirstReadyAt time.Time `json:"first_ready_at,omitzero"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	// Ready says whether the last probe succeeded.
	Ready bool `json:"ready,omitempty"`
	// Attempts counts failed launches that were not for want of capacity, or failed
	// restarts.
	Attempts int `json:"attempts,omitempty"`
	// Restart is how far the replica is with being restarted for its revision, and
	// RestartedAt when that was decided last.
	Restart     RestartState `json:"restart,omitempty"`
	RestartedAt time.Time    `json:"restarted_at,omitzero"`
	// EndedAt is when the teardown was decided; DrainUntil is when it, or a restart,
	// stops waiting for requests under way.
	EndedAt    time.Time `json:"ended_at,omitzero"`
	DrainUntil time.Time `json:"drain_until,omitzero"`
}

// Status says what the replica is going through. It is total: every
// combination of facts has a state.
func (r Replica) Status() Status {
	switch {
	case r.Teardown == TeardownFailed:
		return FailedCleanup
	case r.Teardown == TeardownSucceeded && r.Cause.IsFailure():
		return r.Cause.failure()
	case r.Teardown != "" && r.Cause == CausePreempted:
		return Preempted
	case r.Teardown != "":
		return ShuttingDown
	case r.Launch == LaunchFailed:
		return FailedProvision
	case r.Launch == LaunchSucceeded && r.Ready:
		return Ready
	case r.Launch == LaunchSucceeded && !r.FirstReadyAt.IsZero():
		return NotReady
	case r.Launch == LaunchSucceeded:
		return Starting
	case r.Launch == LaunchRunning || r.Launch == LaunchWaiting:
		return Provisioning
	default:
		return Pending
	}
}

// BegunAt is since when the replica is meant to run its revision.
func (r Replica) BegunAt() time.Time {
	if r.RestartedAt.IsZero() {
		return r.CreatedAt
	}
	return r.RestartedAt
}

// IsUnrecoverable reports whether the replica failed in a way that another one
// of the same revision would repeat: its program ended in failure, or it was
// never ready in all the time it was given.
func (r Replica) IsUnrecoverable() bool {
	return r.Teardown != "" && r.FirstReadyAt.IsZero() &&
		(r.Cause == CauseInitialDelay || r.Cause == CauseAppFailed)
}

// Ref names a replica's machine across a crash: it is what a cloud tags
// everything with that it makes for us.
type Ref struct {
	// Service is the name, UID the identity of the service: a service deleted and
	// made again under the same name has another UID.
	Service string `json:"service"`
	UID     string `json:"uid"`
	Replica int64  `json:"replica"`
}
