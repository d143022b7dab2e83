// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package agent is what runs on a replica's machine, and what a controller talks
// to it by.
package agent
