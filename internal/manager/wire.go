// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package manager

import (
	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// followPath is where a leader is followed: both sides of one request are
// streams of JSON values, orders one way and sightings the other.
const followPath = "/v1/follow"

// copyHeader names the copy that follows.
const copyHeader = "Serve-Copy"

// order is what a leader tells a follower.
type order struct {
	// Routes are the services whose route has changed.
	Routes []route `json:"routes,omitempty"`
	// Abort lists replicas of a service to which everything is to be cut.
	Abort map[string][]int64 `json:"abort,omitempty"`
	// Elsewhere is how many requests for a service arrived at the other copies.
	Elsewhere map[string]int `json:"elsewhere,omitempty"`
	// Complete says that the follower knows the routes of all services now.
	Complete bool `json:"complete,omitempty"`
}

// route is where requests for a service go.
type route struct {
	UID string `json:"uid"`
	// Version grows with every change.
	Version  uint64             `json:"version"`
	Backends []balancer.Backend `json:"backends"`
	// Next take over when all copies have let go of those before, or when there is
	// no leader any more who could say so.
	Next []balancer.Backend `json:"next,omitempty"`
	// Settings are the rest of what a balancer is told, and Hold is in nanoseconds.
	Settings balancer.Settings `json:"settings"`
	Hold     int64             `json:"hold"`
	TLS      *serve.TLS        `json:"tls,omitempty"`
}

// sighting is what a follower tells its leader.
type sighting struct {
	// Arrived is how many requests for a service have arrived here since the last
	// sighting.
	Arrived map[string]int `json:"arrived,omitempty"`
	// Busy is how much longer requests for a service have been under way here since
	// the last sighting, in nanoseconds.
	Busy map[string]int64 `json:"busy,omitempty"`
	// Toll is what failures of replicas of a service have cost requests here since
	// the last sighting.
	Toll map[string]map[int64]balancer.Toll `json:"toll,omitempty"`
	// Waiting names the services for which one has found no replica.
	Waiting []string `json:"waiting,omitempty"`
	// Failed lists replicas of a service on which one has failed.
	Failed map[string][]int64 `json:"failed,omitempty"`
	// States are the services of which the follower has taken in a route, or has
	// drained a replica.
	States []state `json:"states,omitempty"`
}

// state is how far a follower is with a service's route.
type state struct {
	UID     string `json:"uid"`
	Version uint64 `json:"version"`
	// Busy lists replicas that are not in the route any more and to which
	// something is under way.
	Busy []int64 `json:"busy,omitempty"`
}
