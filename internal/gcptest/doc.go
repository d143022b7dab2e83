// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package gcptest is a Google Cloud for tests: it answers what the real clients and the
// real command line ask, keeps what they have made, and fails as Compute Engine does.
//
// # What is Google's own, and what is our reading of it
//
// Requests are read, and answers written, by the discovery documents that Google
// publishes of its APIs. A request with a parameter or a field that Google does not
// know, that only Google itself writes, or whose value is not of its type, its form or
// its pattern fails the test; so does one for no method at all, and an answer that
// Google could not have given. Every request carries a token that was given for
// somebody here, whose scopes are held against those that the document names.
//
// States, their order, how long they take, which error is for what and which values go
// together are not in those documents: they are as Google's guides have it, and nobody
// has held them against Google itself. So it is with permissions, with the lists of
// types, images and zones, which are parts of what there is, and with what the metadata
// server tells.
//
// # What there is
//
// Compute Engine's instances with their boot disks, reserved addresses and firewall
// rules in the default network of three regions, and the operations by which all of
// that is done; buckets of Cloud Storage; projects' policies, custom roles and service
// accounts, by which calls are judged, and tokens for those, also ones that act for
// others; and what the Billing Catalog tells. A method that is not done here, or a field
// that is not looked at, fails the test.
//
// # Things go wrong
//
// A test can have calls fail or their answers be lost, pools be empty, lists come late,
// instances be taken back, break or freeze, and a zone or all of the cloud be lost. Lists
// come in pages that are smaller than they need be, by chance. What there is
// not enough of is told by the operation of an insert and not by its answer. The books
// say what there really is, and an instance that is asked for by its name is described
// as it is.
//
// # Machines
//
// With Options.Machines an instance is one of package machinetest: it has an address
// of loopback for its private and its public one, and carries out its startup script
// whenever it starts, on the disk that it had before. One of Container-Optimized OS has a
// system like that, as far as package machinetest has it: no port is closed there, and
// there is no Docker. It asks about itself at GCE_METADATA_HOST, and finds Google's APIs
// where its script is told that they are. Firewall rules keep nobody out, and a
// frozen machine still accepts connections, which nobody then answers. When an instance
// stops its machine does, and is cut off when that takes longer than Options.Stopping,
// for which Compute Engine has 30 seconds where it takes a spot machine back.
package gcptest
