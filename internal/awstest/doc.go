// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package awstest is an AWS for tests: it answers what the real SDK and the real
// command line ask, keeps what they have made, and fails as EC2 does.
package awstest
