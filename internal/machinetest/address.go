// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Settle takes an address of loopback for a machine, or for what leads to one: it is
// its own for as long as nobody else can listen at the port there. Several test
// binaries choose at the same time, so they do not begin at the same place.
func Settle(port string) (net.Listener, error) {
	var err error
	for range 100 {
		address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)) //nolint:gosec // it is no secret
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(address, port)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("finding an address: %w", err)
}

// Host is the address that a listener is at.
func Host(l net.Listener) string {
	host, _, _ := net.SplitHostPort(l.Addr().String()) // it was joined before
	return host
}
