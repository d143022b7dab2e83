// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package bootstrap makes the user data by which a new machine becomes one that a
// controller can furnish. It is the same on every cloud whose images have
// cloud-init, and for others the same as a script; there is no service of the
// cloud that it needs.
//
// # What happens on the machine
//
// The user data writes a few files below /opt/serve, or wherever programs can be on the
// machine:
//
//	machine.json         which cloud it is, where to listen, which program to expect
//	controller.pem       the certificate of the one who may talk to the machine
//	birth.pem            the certificate that the machine shows at first, with its key
//	receive.py           receives the program
//	serve-agent.service  starts the program, or receive.py while there is none
//
// and starts the service. So the machine waits on its port for a controller that
// comes with the certificate it was told of, and takes from it the one program
// whose digest it was told: the controller's own binary, as the agent, which is
// started in place of receive.py from then on and does the rest. The machine never
// has to find the controller, which may be behind a router or asleep in between.
//
// receive.py needs Python 3.9 and nothing besides; cloud-init is written in Python
// too, so that it is there.
//
// # What others can see
//
// User data is no secret: every process on the machine can read it, and everyone
// who may describe the machine. It holds nothing of the service. The birth key is
// good for pretending to be the machine until that has its first order, to
// somebody who can also answer at the machine's address; with the order comes
// another key, and the birth key is not accepted again.
//
// # When nobody comes
//
// A machine that nobody has talked to for the lease powers itself off. Machines are
// to be launched in such a way that this is their end.
package bootstrap
