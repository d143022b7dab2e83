// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// The example with a controller on Google Cloud, as it stands: everything is made by a
// service account that may do what the roles say, the controller's machine may do what
// its own role says, and when it loses power it is started again, with the same address
// and the same replicas. In the end there is nothing.
func TestAccAControllerOnGCP(t *testing.T) {
	e, cloud := exampleOnGCP(t, "gcp_controller", gcptest.Options{Machines: true, Ports: controllerPorts()})
	e.configure("region = \"us-central1\"\n  " + endpointsOf(cloud) + "\n  " + confineGCP(t, cloud, "gcp", "gcp_controller"))
	h := &hosted{example: e, cloud: emulatedGCP{cloud}}
	h.come()
	h.losePower()
	h.loseSpot()
	h.upgrade()
	h.leave()
}
