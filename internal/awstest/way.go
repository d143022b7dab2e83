// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"io"
	"net"
	"strconv"
	"sync"
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
		a.machines.Go(func() { pass(l, to) })
	}
}

// pass passes on connections until the listener is closed, and breaks off those that
// are under way then.
func pass(l net.Listener, to string) {
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
