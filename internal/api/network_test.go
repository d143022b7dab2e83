// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// network is one controller and one client, which are joined by pipes: in a
// test in virtual time only these are part of what time waits for. It is a
// net.Listener for the controller's side.
type network struct {
	client *Client
	secure *tls.Config // the client's
	conns  chan net.Conn
	ended  context.Context
	end    context.CancelFunc
}

// join makes a network whose controller is run until the test ends.
func join(t *testing.T, controller func(net.Listener)) *network {
	t.Helper()
	made, err := NewCredentials("http")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := ServerTLS(made)
	if err != nil {
		t.Fatal(err)
	}
	n := &network{conns: make(chan net.Conn)}
	n.ended, n.end = context.WithCancel(context.Background())
	n.client, err = Connect(serve.Access{URL: "https://controller", Token: "token", Certificate: made.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	transport, ok := n.client.http.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("%T is no transport", n.client.http.Transport)
	}
	n.secure = transport.TLSClientConfig
	transport.DialContext, transport.Proxy = n.dial, nil
	done := make(chan struct{})
	go func() {
		defer close(done)
		controller(tls.NewListener(n, secure))
	}()
	t.Cleanup(func() {
		n.client.Close()
		n.end()
		<-done
	})
	return n
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case n.conns <- far:
		return near, nil
	case <-n.ended.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dialTLS dials as the client does, for a test that wants to be one.
func (n *network) dialTLS(t *testing.T) net.Conn {
	t.Helper()
	conn, err := n.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return tls.Client(conn, n.secure)
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.ended.Done():
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error { n.end(); return nil }

func (n *network) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
