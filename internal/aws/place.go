// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import "github.com/serve-infra/terraform-provider-serve/internal/fleet"

// place is where a service may have machines.
type place = fleet.Place[Config]

// Brief gives what a controller is to know of AWS before it starts, from what is
// known and how the account is to be reached; empty where there is nothing to
// know. See [CloudOptions].Known.
func Brief(known string, c Config) (string, error) { return fleet.Brief(known, c) }
