// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ListenAll opens an endpoint at several addresses at once. Clients know it by
// host alone, and by the port that their protocol has if none is said.
func ListenAll(ctx context.Context, host string, addresses ...string) (*Endpoint, error) {
	j := &joined{accepted: make(chan accepted), closed: make(chan struct{})}
	for _, address := range addresses {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the endpoint %q: %w", address, err), j.Close())
		}
		j.listeners = append(j.listeners, l)
	}
	for _, l := range j.listeners {
		go j.run(l)
	}
	return &Endpoint{Patience: time.Second, listener: j, host: host}, nil
}

// joined is several listeners as one.
type joined struct {
	listeners []net.Listener
	accepted  chan accepted
	once      sync.Once
	closed    chan struct{}
}

// accepted is what a listener has accepted, or why it could not.
type accepted struct {
	conn net.Conn
	err  error
}

func (j *joined) run(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case j.accepted <- accepted{conn, err}:
		case <-j.closed:
			if err == nil {
				_ = conn.Close() // nobody takes it any more
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Accept implements [net.Listener].
func (j *joined) Accept() (net.Conn, error) {
	select {
	case a := <-j.accepted:
		return a.conn, a.err
	case <-j.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (j *joined) Close() error {
	var errs []error
	j.once.Do(func() {
		close(j.closed)
		for _, l := range j.listeners {
			errs = append(errs, l.Close())
		}
	})
	return errors.Join(errs...)
}

// Addr is the first address.
func (j *joined) Addr() net.Addr { return j.listeners[0].Addr() }
