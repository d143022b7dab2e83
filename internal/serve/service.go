// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"encoding/json"
	"time"
)

// The states of a service, beside [Ready], [ShuttingDown], [Failed] and
// [FailedCleanup], which it shares with replicas.
const (
	ControllerInit Status = "CONTROLLER_INIT" // the controller has not looked at its replicas yet
	NoReplica      Status = "NO_REPLICA"      // no replica is ready; the controller is at work on it
	// ControllerFailed is what others say of a service whose controller does not answer.
	ControllerFailed Status = "CONTROLLER_FAILED"
)

// State is everything a controller remembers about its service, saved as one
// value so that it is never half new.
type State struct {
	// Version counts saves; see [Store.Save].
	Version uint64 `json:"version"`
	Name    string `json:"name"`
	UID     string `json:"uid"`
	// Revision is the number of the newest accepted spec, from 1; Spec is that spec.
	Revision  int64     `json:"revision"`
	Spec      Spec      `json:"spec"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// FirstReadyAt is when the first replica of the service became ready.
	FirstReadyAt time.Time `json:"first_ready_at,omitzero"`
	// Deleting is set once the service was asked to end, and stays.
	Deleting bool `json:"deleting,omitempty"`
	// NextID is the id the next replica will get. It only grows.
	NextID   int64     `json:"next_id"`
	Replicas []Replica `json:"replicas"`
	// Old keeps the specs of earlier revisions that still have a replica, as such a
	// replica is probed and launched by the spec it was made from, and that of the
	// good revision.
	Old map[int64]Spec `json:"old,omitempty"`
	// Good is the newest revision that has proven itself, 0 before there is one.
	Good int64 `json:"good,omitempty"`
	// RolledBack tells of the last revision that was given up, until another spec
	// is accepted.
	RolledBack *RolledBack `json:"rolled_back,omitempty"`
	// History tells what became of the last revisions, oldest first.
	History []Revised `json:"history,omitempty"`
	// Memory is what the policy asked to have kept, in the policy's own form.
	Memory json.RawMessage `json:"memory,omitempty"`
	// Ledger is what the service has cost so far, and how it went.
	Ledger Ledger `json:"ledger,omitzero"`
}

// SpecOf gives the spec of a revision, the newest one when the revision is
// not remembered.
func (s *State) SpecOf(revision int64) Spec {
	if old, ok := s.Old[revision]; ok && revision != s.Revision {
		return old
	}
	return s.Spec
}

// RolledBack tells of a revision that was given up.
type RolledBack struct {
	// Revision is the one that was given up, Good the one that was gone back to,
	// whose spec is in force again as a revision of its own.
	Revision int64     `json:"revision"`
	Good     int64     `json:"good"`
	At       time.Time `json:"at"`
	// Reason says why, as a sentence; Replica is one that failed, whose log tells
	// more, 0 if there is none.
	Reason  string `json:"reason"`
	Replica int64  `json:"replica,omitempty"`
}

// Service is what a controller shows of its service. It holds no secret.
type Service struct {
	Name     string `json:"name"`
	UID      string `json:"uid"`
	Revision int64  `json:"revision"`
	Status   Status `json:"status"`
	Message  string `json:"message,omitempty"`
	// Failure says why the newest revision will not become ready as it is; empty
	// while it may. An older revision can still be serving.
	Failure  string `json:"failure,omitempty"`
	Endpoint string `json:"endpoint"`
	// StatusPage is the URL at which browsers are shown the service, empty if its
	// controller has no address for them.
	StatusPage string `json:"status_page,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// FirstReadyAt is when the service first had a ready replica; zero before.
	FirstReadyAt time.Time `json:"first_ready_at,omitzero"`
	// ActiveRevisions are the revisions that serve: those that have a ready
	// replica, ascending, or just one of them where one serves alone.
	ActiveRevisions []int64 `json:"active_revisions"`
	// Good is the newest revision that has proven itself, 0 before there is one.
	Good int64 `json:"good,omitempty"`
	// RolledBack tells of the last revision that was given up, nil if there was
	// none since a spec was accepted.
	RolledBack *RolledBack `json:"rolled_back,omitempty"`
	// History tells what became of the last revisions, oldest first.
	History []Revised `json:"history,omitempty"`
	// Target is the number of replicas autoscaling wants, without overprovision.
	Target int `json:"target"`
	// QPS is the mean number of requests per second over the last minute.
	QPS      float64   `json:"qps"`
	Counts   Counts    `json:"counts"`
	Spec     Spec      `json:"spec"`
	Replicas []Replica `json:"replicas"`
	// CostPerHour is what the machines cost now, in US dollars per hour.
	CostPerHour float64 `json:"cost_per_hour"`
	// Pools is what is remembered of the pools that machines come from, those
	// about which nothing is remembered left out.
	Pools []Pool `json:"pools,omitempty"`
	// Ledger is what the service has cost so far, and how it went, up to its last
	// change; [Ledger.Until] brings it to the present.
	Ledger Ledger `json:"ledger,omitzero"`
}

// Pool is what a controller remembers of the machines of one type in one
// location and market.
type Pool struct {
	Location     Location `json:"location"`
	Market       Market   `json:"market"`
	InstanceType string   `json:"instance_type"`
	// Refusals counts the launches in a row that found no capacity, and
	// BlockedUntil is when the next is tried.
	Refusals     int       `json:"refusals,omitempty"`
	BlockedUntil time.Time `json:"blocked_until,omitzero"`
	// Preemptions counts how often in a row machines were taken, and AvoidedUntil
	// is until when others are preferred for it. LostAt is when it last happened.
	Preemptions  int       `json:"preemptions,omitempty"`
	AvoidedUntil time.Time `json:"avoided_until,omitzero"`
	LostAt       time.Time `json:"lost_at,omitzero"`
	// HeldSince is since when spot machines are held there without a break.
	HeldSince time.Time `json:"held_since,omitzero"`
}

// Counts sums up a table of replicas as the REPLICAS column does: Ready of
// Total, where Total counts every record that has not failed.
type Counts struct {
	Ready    int `json:"ready"`
	Total    int `json:"total"`
	Spot     int `json:"spot"`
	OnDemand int `json:"on_demand"`
	Failed   int `json:"failed"`
}

// Count sums up replicas. Spot and OnDemand count the ready ones of each market.
func Count(replicas []Replica) Counts {
	var c Counts
	for _, r := range replicas {
		status := r.Status()
		if status.IsFailed() {
			c.Failed++
			continue
		}
		c.Total++
		if status != Ready {
			continue
		}
		c.Ready++
		if r.Market == Spot {
			c.Spot++
		} else {
			c.OnDemand++
		}
	}
	return c
}
