// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package local is the cloud on one's own machine. Its replicas are real
// processes, its spot market is a file one can play with, and its controllers
// are detached processes that outlive Terraform.
//
// # Home
//
// Everything lives in one directory:
//
//	market.json                       the market; written with defaults when missing
//	market.lock                       held for the moment in which a machine is admitted
//	replicas/NAME-ID-HASH/            one machine
//	    ref.json                      whose it is, what it was sold as, its address
//	    lock                          locked exactly as long as the machine is made or up
//	    state.json                    what the machine says of itself
//	    notice.json                   there once the market has claimed the machine back
//	    ending                        there once somebody has asked for its end
//	    work/ home/ log/ machine.log  working copy, mounts below ~, output, own trouble
//	controllers/NAME/                 one controller
//	    lock                          locked by the living controller
//	    credentials.json access.json  what its clients need
//	    controller.log                and whatever the controller itself keeps there
//
// # Machines
//
// A machine is a process of this program in a session of its own that runs the
// replica's setup and then its run, and stays up when these end, as a virtual
// machine would. It holds the lock in its directory from before it exists: the
// launcher takes the lock and hands the open file down, and the kernel gives it
// back when the process is gone, however it went. So "is it alive" has an answer
// at every instant, a process id is believed only while the lock is held, and
// nobody else is ever killed for having inherited a number.
//
// On Linux all processes of a machine are found by the tags in their environment
// (SERVE_HOME, SERVE_SERVICE, SERVE_SERVICE_UID, SERVE_REPLICA_ID) and by
// descent, whether or not they left the process group or their directory was
// deleted. On macOS they are found by their session.
//
// Setup and run start in the working copy with the launcher's environment less
// TF_*, PLUGIN_* and SERVE_*, and with HOST and PORT to listen on,
// SERVE_REPLICA_ID (also as SKYPILOT_SERVE_REPLICA_ID), SERVE_SERVICE and
// SERVE_NOTICE_FILE, the path at which {"deadline": …} appears when the machine
// is going to be taken. A file mount with a relative target lands in the working
// copy; one below "~/" in a home directory of the replica's own, to which HOME
// then points. Other absolute targets are refused: they would be outside of the
// replica.
//
// # Market
//
//	{
//	  "zones": [                        in the order offers of equal price are listed
//	    {"region": "us-east1", "zone": "us-east1-b",
//	     "spot": 8, "on_demand": 16,    how many machines fit; left out: any number
//	     "prices": {"local-2": {"spot": 0.02, "on_demand": 0.1}}}    optional
//	  ],
//	  "machines": [
//	    {"name": "local-2", "cpus": 2, "memory": 4, "accelerators": "",
//	     "spot": 0.03, "on_demand": 0.1}    US dollars per hour
//	  ],
//	  "notice_seconds": 0,     from the claim on a spot machine to its end
//	  "boot_seconds": 0,       for how long a machine is being made
//	  "shutdown_seconds": 0,   for how long it goes on existing after its program's end
//	  "addressing": "loopback",
//	  "trace": {"file": "trace.json", "started_at": "2026-01-01T00:00:00Z", "speed": 60}
//	}
//
// Addressing "loopback", the default on Linux, gives each replica an address
// 127.x.y.z of its own in HOST and the service's port in PORT; "port" gives
// 127.0.0.1 and a free port.
//
// A trace replays recorded spot capacity, speed times faster than it was
// recorded and from the beginning again at its end. Its file has "gap_seconds",
// "ceiling" and "zones", a list of numbers for each zone; zones of the market
// with the same name have that spot capacity, or their own if it is less. With
// a ceiling of 1 the number 1 stands for any number of machines. A missing
// started_at is filled in when the market is first read.
//
// When spot capacity falls below what is in use, the newest machines are taken.
// On-demand capacity limits launches only.
package local
