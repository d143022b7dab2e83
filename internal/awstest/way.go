// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net"
	"strconv"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// lead passes on what comes to an elastic address of loopback, to the ports that
// the test has named: what AWS' routers do for all of them.
func (a *AWS) lead(e *address) {
	if e.claim == nil || e.instance.machine == nil {
		return
	}
	for _, port := range a.options.Ports {
		l, err := net.Listen("tcp", net.JoinHostPort(e.ip, strconv.Itoa(port)))
		if err != nil {
			a.errorf("leading %s to instance %s: %v", e.ip, e.instance.id, err)
			continue
		}
		e.ways = append(e.ways, l)
		to := net.JoinHostPort(e.instance.private, strconv.Itoa(port))
		a.machines.Go(func() { machinetest.Pass(l, to) })
	}
}
