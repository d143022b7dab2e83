// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package fleettest has what the tests of all clouds share whose machines run our
// agent: agents that are not there, for machines that are records only ([Stations]), a
// controller that is killed at any moment ([Life]), and a service through a day on
// which something goes wrong every few minutes ([Day]), on one emulated cloud or on
// several at once ([World]). It knows no vendor.
package fleettest
