// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package serve is the domain: the words the whole project speaks, and the
// contracts its parts keep with one another.
//
// A user declares a service by a [Spec]. Every accepted spec gets a number, its
// revision. A controller keeps the service alive as a set of replicas, each on
// one machine, which is had from a cloud by an [Offer]: a location, a market
// (spot or on-demand), a machine type and a price. What a replica is going
// through is its [Status], a pure function of the facts stored about it.
//
// The contracts are [Cloud] (launches and ends machines), [Store] (remembers),
// [Deployer] (puts a controller somewhere and finds it again) and [Client]
// (talks to that controller). Each says which error means what; a caller
// branches on [ErrNotFound], [ErrConflict], [ErrCapacity] and so on, never on a
// vendor's code or text.
//
// The package imports only the standard library, and nothing in it does
// anything: it may be read first, and imported from everywhere.
package serve
