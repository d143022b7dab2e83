// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import "context"

// Directory is where services are declared that one deployment of controllers
// keeps alive. Whoever leads the deployment works it off: it gives every
// declaration an endpoint, reports what becomes of it, and releases it when
// nothing of its service is left. All copies watch it.
type Directory interface {
	// Watch calls tell with all declarations, at first and after every change,
	// until ctx ends. An error other than ctx's means that nothing is known any
	// more; the caller watches again.
	Watch(ctx context.Context, tell func([]Declaration)) error
	// Publish makes the service's endpoint, at Declaration.Port of every copy,
	// reachable for clients, and keeps the port in the declaration. Doing so twice
	// is doing it once. ErrNotFound means that there is no such declaration.
	Publish(ctx context.Context, name, uid string, port int) error
	// Report replaces what is shown of the service.
	Report(ctx context.Context, name, uid string, r Report) error
	// Done takes a request to end a replica off the declaration.
	Done(ctx context.Context, name, uid string, replica int64) error
	// Release lets go of a declaration that is being deleted, with all that is
	// stored for the service. No such declaration is success.
	Release(ctx context.Context, name, uid string) error
}

// Declaration is a service as its directory has it.
type Declaration struct {
	Name string
	// UID tells two declarations of one name apart, one after the other.
	UID string
	// Generation grows with every change of Spec, and may grow with others.
	Generation int64
	// Taken is the generation that a controller has reported last as taken in, or a
	// later one that asks for the same; 0 if there is none, or if it was refused. It
	// is not to be taken in again: a revision that was given up since then must not
	// come back by itself.
	Taken int64
	// Asked tells one Spec from another. It goes into the report that Spec was taken
	// in, by which Taken is known.
	Asked string
	// Spec is what is asked for, with its secrets; nil before anything is.
	Spec *Spec
	// Invalid says why Spec could not be read; Spec is nil then.
	Invalid string
	// Deleting says that the service is to end.
	Deleting bool
	// End lists the replicas that somebody has asked to be ended; true also purges
	// the record of a failed one.
	End map[int64]bool
	// Shown tells what other clouds are to be shown from what they were shown before, and
	// Reached how they are to be reached from how they were; empty as long as nothing was
	// said of it.
	Shown, Reached string
	// Port is the endpoint's port on every copy, 0 before Publish, and Endpoint its
	// URL for clients, empty while it has none.
	Port     int
	Endpoint string
}

// Report is what a controller tells its directory.
type Report struct {
	// Generation is that of the declaration that was taken in last, and Asked what
	// tells its Spec from others; empty is what was reported before.
	Generation int64
	Asked      string
	// Service is the service as it is; nil before there is one.
	Service *Service
	// Refused says why the declaration was not taken; empty when it was. Errors
	// are its parts, where it was not valid.
	Refused string
	Errors  FieldErrors
}
