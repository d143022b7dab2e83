// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package cloudtest is what the clouds for tests have in common: where a vendor's
// description of its APIs is had from, what a request is read into, how a client is
// answered, over a network or without one, and how things go wrong because a test
// says so. What a cloud is asked, and what it answers, is the vendor's, and each has
// a package of its own for it.
package cloudtest
