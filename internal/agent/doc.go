// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package agent is what runs on a replica's machine, and what a controller talks
// to it by.
//
// # From a new machine to a replica
//
// [Client.Furnish] takes a machine from whatever state it is in to running its
// order: it sends the program to what the user data of package bootstrap has put
// there, then the order, with the bundles that it names. The agent keeps the order
// on disk and goes on with it whenever it is started again. An order of a later
// revision takes the place of the one before: its program is ended when all files
// have arrived, and the new one begins with an empty working directory and without
// the files that were mounted below "~/" before. What else there is in the home
// directory stays, and at absolute paths new files join old ones.
//
// # Who talks to whom
//
// Both ends know one Ed25519 key of the other, derived by [NewKeys] from a secret
// of the controller's, and talk to nobody else. All goes over one port: requests,
// and by another protocol of ALPN the connections to the service's own port, which
// therefore needs to be open to nobody. A connection that just ends has broken
// off; ends in order are told within TLS.
//
// # How a machine ends
//
// [Client.Watch] tells what the cloud's metadata service says of the machine's end,
// a second later at most. The program finds the deadline of an interruption in the
// file that SERVE_NOTICE_FILE names, and is asked to end by SIGTERM 20 seconds
// before it, or when the machine is shut down, and then has as long. A machine that
// hears from no controller for its lease powers itself off.
//
// # Containers
//
// An order with an image has its scripts run in a container of it, by docker,
// podman or nerdctl, whichever is there and answers; where none is docker is
// installed by dnf or apt-get. Setup and run share one container, which has the
// network of the machine, its accelerators, and at their paths the working
// directory and the file mounts. The image needs a shell. Its variables are in no
// command line and in nothing that the engine tells. Images are pulled without
// credentials but those the machine has.
package agent
