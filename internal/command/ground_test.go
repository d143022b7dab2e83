// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import "time"

// machine is one that a service has on a cloud, by the cloud's name for it.
type machine struct {
	id string
	// spot is false for an on-demand machine, and controls is true for that of a
	// controller.
	spot, controls bool
}

// ground is the cloud that a service is on.
type ground interface {
	// live gives the machines that are there or about to be.
	live() []machine
	// end ends a machine as if nobody had asked for it.
	end(id string)
	// left names what there is besides machines.
	left() []string
	// patience is how long anything may take there.
	patience() time.Duration
}

// emulation is a cloud of ours.
type emulation interface {
	ground
	// take takes a spot machine, with notice of a few seconds.
	take(id string)
	// readable is what others can read of machines, by where.
	readable() map[string]string
	// watch gives the times at which on-demand machines are asked for from now on.
	watch() <-chan time.Time
}
