// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package policy

// Memory is what policy must remember between two evaluations: a plain value
// that encodes to JSON and back without loss.
type Memory struct {
	// Revision is the revision the last evaluation was for; 0 before the first.
	Revision int64 `json:"revision"`
	// Target is the number of replicas wanted, without overprovision.
	Target int `json:"target"`
}
