// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package gcp is Google Cloud: a cloud whose machines are instances of Compute
// Engine, spot and on-demand, in any region that the project may use.
package gcp
