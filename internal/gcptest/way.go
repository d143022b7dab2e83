// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"net"
	"strconv"

	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

// lead passes on what comes to a reserved address of loopback, to the ports that the
// test has named: what Google's routers do for all of them.
func (g *GCP) lead(a *address) {
	if a.claim == nil || a.instance.machine == nil {
		return
	}
	a.close()
	for _, port := range g.options.Ports {
		l, err := net.Listen("tcp", net.JoinHostPort(a.ip, strconv.Itoa(port)))
		if err != nil {
			g.errorf("leading %s to instance %s: %v", a.ip, a.instance.plan.name, err)
			continue
		}
		a.ways = append(a.ways, l)
		to := net.JoinHostPort(a.instance.private, strconv.Itoa(port))
		g.machines.Go(func() { machinetest.Pass(l, to) })
	}
}
