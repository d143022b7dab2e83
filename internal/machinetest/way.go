// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
)

// Way is an address of loopback that leads to one machine at a time, which is what the
// routers of a cloud do. Nil leads nowhere, and is for clouds without machines.
type Way struct {
	claim net.Listener // keeps others from the address
	ports []net.Listener
}

// NewWay takes an address for a way, as [Settle] does.
func NewWay(port string) (*Way, error) {
	l, err := Settle(port)
	if err != nil {
		return nil, err
	}
	return &Way{claim: l}, nil
}

// Host is the address.
func (w *Way) Host() string { return Host(w.claim) }

// Lead has what comes to some ports be passed on to a machine, and no other, from now
// on. It is passed on by goroutines that end when the way leads elsewhere.
func (w *Way) Lead(to string, ports []int, passing *sync.WaitGroup) error {
	if w == nil {
		return nil
	}
	w.Part()
	var errs []error
	for _, n := range ports {
		port := strconv.Itoa(n)
		l, err := net.Listen("tcp", net.JoinHostPort(w.Host(), port))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		w.ports = append(w.ports, l)
		passing.Go(func() { pass(l, net.JoinHostPort(to, port)) })
	}
	return errors.Join(errs...)
}

// Part has the way lead nowhere.
func (w *Way) Part() {
	if w == nil {
		return
	}
	for _, l := range w.ports {
		_ = l.Close() // nobody is to come any more
	}
	w.ports = nil
}

// Close makes the address anybody's.
func (w *Way) Close() {
	w.Part()
	if w != nil {
		_ = w.claim.Close() // nobody has connected
	}
}

// pass passes on connections to an address until the listener is closed. Those that
// are under way then it breaks off.
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
