// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package aws is Amazon Web Services: a cloud whose machines are EC2 instances,
// spot and on-demand, in any region that the account has.
//
// # What there is of a service
//
// Instances, each with its disk, which goes with it, and one security group for
// each network that the service has instances in. All of it carries the tags in
// tags.go, by which it is found when all records are lost. No bucket, no role and
// no key pair is needed: an instance may do nothing in the account.
//
// # How an instance becomes a replica
//
// It is born with a small program in its user data (package bootstrap) that
// waits to be called. The controller calls it, over TLS with keys that both have
// (package agent), and hands over the agent, the bundles and the order: what to
// run, with its secrets. So the controller need not be reachable by anybody, and
// no secret of the service is ever in user data, in tags, or in an object store.
//
// The same connection carries requests and probes to the server on the instance,
// so that the one port that is open to the network is the agent's, which talks to
// nobody but its controller.
//
// # How it is launched once
//
// RunInstances is called with a client token that is made of the replica's
// reference and of the offer. Whoever calls again, after a lost answer or a
// crash, is given the same instance. Once that is gone the next launch of the
// replica has another token.
//
// # What there is of a controller
//
// A controller can run on AWS as well, on an instance of its own: see deployer.go.
// Then there are besides a bucket, which has all that the controller remembers, an
// Elastic IP address, a role with its instance profile, a security group, a launch
// template, and an Auto Scaling group of one. The machine is told by its user data
// where the bucket is, and fetches its program from there; when it dies the group
// makes another, which takes the address and goes on from what is in the bucket. The
// store takes a save only from whoever has made or read the last one, so that of two
// controllers one stops.
//
// # What is asked how often
//
// Instances tell of themselves: that a program has ended, that the cloud has given
// notice, and by a connection that breaks that they may be gone, which one
// question to EC2 then settles. EC2 is asked again and again only while an
// instance is on its way up or down, and then for all of them in one call (see
// lookout.go). What types there are is asked once a day, and prices every five
// minutes.
package aws
