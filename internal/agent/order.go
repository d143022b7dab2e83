// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Order is what a machine is told to do.
type Order struct {
	Ref serve.Ref `json:"ref"`
	// Revision is that of the service. An order of a later one takes the place of the
	// machine's.
	Revision int64 `json:"revision,omitempty"`
	// Task is what is run. Its resources are left out: the machine is them.
	Task serve.Task `json:"task"`
	// Image is the container image that Task is run in, empty for the machine itself.
	Image string `json:"image,omitempty"`
	// Port is the port that the server is to listen on.
	Port int `json:"port"`
	// Lease is for how long the machine stays when it hears from no controller.
	Lease time.Duration `json:"lease"`
}

// NewOrder gives the order that carries out a launch.
func NewOrder(req serve.LaunchRequest, lease time.Duration) Order {
	o := Order{Ref: req.Ref, Revision: req.Revision, Task: req.Task, Port: req.Port, Lease: lease}
	o.Task.Resources = serve.Resources{}
	if image, ok := strings.CutPrefix(req.Resource.ImageID, "docker:"); ok {
		o.Image = image
	}
	return o
}
