// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// The example with a controller on AWS, as it stands: everything is made by a role
// that may do what the policies say, the controller's machine may do what its own
// role says, and when it loses power another takes its place, with the same address
// and the same replicas. In the end there is nothing.
func TestAccAControllerOnAWS(t *testing.T) {
	a, cloud := emulatedExample(t, "aws_controller", awstest.Options{Machines: true, Ports: controllerPorts()})
	confine(a, cloud, "aws", "aws_controller")
	before := len(cloud.Books().Roles)
	h := &hosted{example: a, cloud: emulated{cloud}}
	h.come()
	if was, now := h.losePower(); was == now {
		t.Errorf("the machine %s was not replaced", was)
	}
	h.loseSpot()
	h.upgrade()
	h.leave()
	if roles := cloud.Books().Roles; len(roles) != before {
		t.Errorf("of %d roles there are %v", before, roles)
	}
}
