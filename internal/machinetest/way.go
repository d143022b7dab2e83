// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"io"
	"net"
	"sync"
)

// Pass passes on connections to an address, which is what the routers of a cloud do,
// until the listener is closed. Those that are under way then it breaks off.
func Pass(l net.Listener, to string) {
	var all sync.WaitGroup
	defer all.Wait()
	over := make(chan struct{})
	defer close(over)
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer near.Close()
			far, err := net.Dial("tcp", to) //nolint:noctx // what is on loopback accepts or refuses at once
			if err != nil {
				return
			}
			defer far.Close()
			var ways sync.WaitGroup
			done := make(chan struct{})
			ways.Go(func() { carry(far, near) })
			ways.Go(func() { carry(near, far) })
			go func() {
				ways.Wait()
				close(done)
			}()
			select {
			case <-done:
			case <-over:
			}
		})
	}
}

// carry copies what comes until it ends.
func carry(to, from net.Conn) {
	_, _ = io.Copy(to, from) // either end may break off
	if t, ok := to.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}
