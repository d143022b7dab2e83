// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// tunnel joins a connection to the service's port on the machine. It is there so
// that nothing but the agent has to be open to the network, and that all traffic
// is encrypted whatever the service speaks.
func (a *agent) tunnel(_ *http.Server, near *tls.Conn, _ http.Handler) {
	defer near.Close()
	a.lease.renew()
	far, err := a.reach()
	if err != nil {
		_, _ = near.Write([]byte{tunnelRefused})
		return
	}
	defer far.Close()
	if _, err := near.Write([]byte{tunnelJoined}); err != nil {
		return
	}
	join(near, far)
}

// reach connects to the server.
func (a *agent) reach() (*net.TCPConn, error) {
	o := a.current()
	if o == nil {
		return nil, errors.New("there is no order yet")
	}
	host := a.host
	if host == "" {
		host = "127.0.0.1" // the server was told to listen on all addresses
	}
	ctx, cancel := context.WithTimeout(a.closing, patience)
	defer cancel()
	conn, err := dialer().DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(o.Port)))
	if err != nil {
		return nil, err
	}
	far, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(errors.New("that is no TCP"), conn.Close())
	}
	return far, nil
}

// join passes on what either end says, until both have said that there is no more.
// An end that breaks off breaks off the other one too, in such a way that it does
// not look like an end in order.
func join(near *tls.Conn, far *net.TCPConn) {
	var ways sync.WaitGroup
	ways.Go(func() {
		if _, err := io.Copy(far, near); err != nil {
			breakOff(near, far)
			return
		}
		_ = far.CloseWrite()
	})
	ways.Go(func() {
		if _, err := io.Copy(near, far); err != nil {
			breakOff(near, far)
			return
		}
		_ = near.CloseWrite()
	})
	ways.Wait()
}

func breakOff(near *tls.Conn, far *net.TCPConn) {
	_ = far.SetLinger(0)
	_ = far.Close()
	_ = near.NetConn().Close()
}
