// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package sim answers what a service would do, in virtual time and without any
// machine. It drives the very [policy.Plan] that a controller runs, carries its
// decisions out on records by the domain's own rules, and plays the cloud.
//
// There are two clouds to play. [Replay] takes the capacity of spot machines
// from a [Trace] that somebody recorded, and gives a [Result]: what it would have
// cost, and how many replicas would have been ready. [Play] takes everything
// from a [Scenario], a story of loads and mishaps that somebody wrote, and gives
// every evaluation of the policy with its decisions and their reasons.
//
// # Accounting of a replay
//
// Time runs in steps: each number of the trace is cut into equal steps of at
// most a minute. In a step, first capacity changes, and what is held above it is
// taken, the youngest machines first; then machines that have been up for the
// cold start are ready; then policy decides, as often as it has something to
// decide, and hears at once what is granted; then the step is billed and judged.
// A machine is billed from its launch to its end, cold start included, and a
// refused launch costs nothing. On-demand machines are always granted, and a
// drain takes no time. The first cold start of the trace is not counted.
//
// These are the rules by which the SpotHedge paper's policies have been compared,
// so that figures can be laid side by side.
package sim
