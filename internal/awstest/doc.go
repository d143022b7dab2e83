// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package awstest is an AWS for tests: it answers what the real SDK and the real
// command line ask, keeps what they have made, and fails as EC2 does.
//
// # What is AWS' own, and what is our reading of it
//
// Requests are decoded, and answers written, by the description that AWS publishes
// of its APIs. A request with a parameter that AWS does not know, without one that
// it requires, or with a value that it does not allow fails the test, and so does an
// answer that AWS could not have given. One that is not signed as it is to be is
// refused. States, their order, how long they take, and which error is for what are
// not in that description: they are as AWS' guides have it, and nobody has held them
// against AWS itself.
//
// # What there is
//
// EC2 with its instances, fleets that are launched at once, launch templates, security
// groups, volumes and elastic addresses in the default network of three regions; Auto
// Scaling groups of one launch template, which replace what is lost; IAM's roles and
// instance profiles, where policies are held against what is done, but neither against
// what it is done to nor to conditions; S3, STS; and what SSM, the price list and
// Service Quotas tell. An action that is not done here fails the test.
//
// # Things go wrong
//
// A test can have calls fail or their answers be lost, pools be empty, descriptions
// come late, and instances be taken back, break or freeze. The books say what there
// really is.
//
// # Machines
//
// With Options.Machines an instance is one of package machinetest: it has an address
// of loopback for its private and its public one, carries out its user data, and can
// shut itself down. It asks about itself at AWS_EC2_METADATA_SERVICE_ENDPOINT, which
// wants tokens as EC2's service does, and finds AWS at AWS_ENDPOINT_URL. Addresses in
// 169.254.0.0/16 are out of its reach, there is no limit of hops, security groups
// keep nobody out, and a frozen machine still accepts connections, which nobody then
// answers. When an instance shuts down its machine does, and is cut off when that
// takes longer than Options.Stopping.
package awstest
