// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package gcp is Google Cloud: a cloud whose machines are instances of Compute
// Engine, spot and on-demand, in any region that the project may use.
//
// # What there is of a service
//
// Instances, each with its disk, which goes with it, and one firewall rule for each
// network that the service has instances in. Instances carry the labels and the
// metadata in tags.go, by which they are found when all records are lost; a rule has
// no labels, and is found by the network tag that it is for. No bucket and no service
// account is needed: an instance may do nothing in the project.
//
// # How an instance becomes a replica
//
// It is born with a small program in its startup script (package bootstrap) that
// waits to be called. The controller calls it, over TLS with keys that both have
// (package agent), and hands over the agent, the bundles and the order: what to
// run, with its secrets. So the controller need not be reachable by anybody, and
// no secret of the service is ever in metadata, in labels, or in an object store.
// The same connection carries requests and probes to the server on the instance.
//
// Its system is Debian; Google's own for containers if all that is wanted is a
// container ("docker:…"), where nearly everything but the container is read-only; and
// Google's for deep learning if it has accelerators, which has their drivers.
//
// # How it is launched once
//
// The name of an instance is made of the replica's reference and of whose it is, and
// there is one instance of a name in a zone. Whoever inserts it again, after a lost
// answer or a crash, is told that it is there. While one of the name is being deleted
// that is waited for. A single insert is made again with the id of its request until
// it is clear what came of it.
//
// What is asked of Compute Engine is an operation, which is waited for there, and not
// by looking again and again. It is the operation that says that a zone has nothing
// left, or that a quota is used up (see errors.go).
//
// # What there is of a controller
//
// A controller can run on Google Cloud as well, on an instance of its own: see
// deployer.go. Then there are besides a bucket, which has all that the controller
// remembers, a reserved address, a firewall rule, and a service account with two roles of
// the project: one for what cannot be limited, and one for ending and changing the
// instances whose names end as those of the service do. The machine is told by its
// startup script where the bucket is, and fetches its program from there with a token of
// its service account. It has the address from the first, so that there cannot be two
// of it; when its host fails Compute Engine starts it again, and when it is gone whoever
// applies makes it again, in another zone if need be. A save is accepted from whoever has
// made or read the last one, by the generation of the object.
//
// # How an instance ends
//
// A spot instance that Google needs back is told of it by the metadata server, has 30
// seconds, and is deleted; the agent passes it on at once. Why an instance is gone
// that is not heard from any more is in the operations of its zone (see notices.go).
// An instance that shuts itself down, having heard from no controller for the lease,
// stays as a disk until a controller deletes it.
//
// # What it costs
//
// Google sells processors, memory and accelerators apart, each series at prices of its
// own, which its price list has by region. What a machine costs follows from that, also
// one that is made to measure (see custom.go). The price list can be read by projects
// that have the Cloud Billing API enabled; others get by with estimates that come with
// the program (see shipped.go).
//
// # How it is reached
//
// All services of Google are reached in one way (see clients.go): with one token, at
// endpoints that can be replaced, and by one notion of what is tried again (see
// retry.go).
//
// # What is asked how often
//
// Instances tell of themselves: that a program has ended, that they are taken back,
// and by a connection that breaks that they may be gone, which one question to
// Compute Engine then settles. One question lists the instances of all zones. What
// types there are, and the price list, are asked once a day.
package gcp
