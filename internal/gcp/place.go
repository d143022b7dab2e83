// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import "github.com/serve-infra/terraform-provider-serve/internal/fleet"

// Brief gives what a controller is to know of Google Cloud before it starts, from what
// is known and how the project is to be reached; empty where there is nothing to know.
// See [CloudOptions].Known. Credentials are not part of it.
func Brief(known string, c Config) (string, error) {
	c.Credentials = ""
	return fleet.Brief(known, c)
}
