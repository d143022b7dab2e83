// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package fleet is what the clouds whose machines run our agent have in common, as
// it is seen from the controller. Such a cloud is a package of its own, which talks
// to its vendor and holds a [Fleet]: the machines of the cloud, as their controller
// knows them.
//
// # How a machine becomes a replica
//
// It is born with a small program in its start script (package bootstrap) that
// waits to be called; [Fleet.Birth] has what that is to know. The controller calls
// it, over TLS with keys that both have (package agent), and hands over the agent,
// the bundles and the order: what to run, with its secrets. The same connection
// carries requests and probes to the server on the machine.
//
// # Who does what
//
// A fleet has one caller at a time work on the machine of a replica, furnishes it,
// connects to it, listens to what it has to tell, and says what that means for the
// replica. What is the vendor's own it is given where it is wanted: how a machine is
// made ([Launching]), told anew ([Restarting]) and ended, which machines there are,
// and whether one that is not heard from any more is gone ([Vendor]).
//
// # What is asked how often
//
// Machines tell of themselves, and the vendor is asked again and again only while one
// is on its way up or down, and then for all of them in one question ([Lookout]). What
// is asked of a catalog is believed for a while ([Answers]).
//
// # What is offered
//
// Which of the vendor's types of machines fit what is wanted, and which of those are
// worth offering, is the same everywhere ([Wanted], [Type], [Prices]), and so is what a
// preflight says of what is not offered, or of what there is no room for ([Preflight]).
//
// # Where machines are
//
// Before a machine is made where there was none that is noted ([Whereabouts]), for
// whoever has to find all machines when there is nobody left to ask.
package fleet
