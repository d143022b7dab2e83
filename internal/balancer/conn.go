// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connectTimeout bounds the making of a connection. It is short and has nothing
// to do with the stream timeout: a backend may think for minutes, but a machine
// that is there accepts at once.
const connectTimeout = 5 * time.Second

// idleTimeout is how long an unused connection is kept. Servers close idle
// connections too, gunicorn after 2 s, Node and uvicorn after 5 s, and a POST
// sent at that very moment is lost. So we close first; under load connections
// are used again long before.
const idleTimeout = 1500 * time.Millisecond

// errSilent is why a request was cut off that had been silent for too long.
var errSilent = errors.New("no byte was moved for longer than the stream timeout")

// conn is a connection to a backend: what the http client reads and writes, so
// that it can be seen what has been sent and received, and when.
type conn struct {
	net.Conn
	client  *http.ClientConn
	backend *backend
	address string
	reused  bool

	// moved is when the last byte was read or written, as time since the epoch;
	// sent and received say whether any was since the request began.
	moved          atomic.Int64
	sent, received atomic.Bool

	// timer fires when the connection may have been idle or silent for too long.
	// It is one for the life of the connection, so that a request costs a Reset.
	timer *time.Timer

	mu       sync.Mutex // guards what follows, and Conn until open has returned
	exchange *exchange  // what it is used for now
	cause    error      // why it was cut
	giveUp   context.CancelFunc
}

type connKey struct{}

// dialConn is where the http client gets its network connection from: the conn
// that is being opened.
func dialConn(ctx context.Context, network, address string) (net.Conn, error) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		return nil, errors.New("dialing without a connection to open")
	}
	raw, err := c.backend.balancer.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conn = raw
	return c, nil
}

// open connects to the backend. On an error the connection is to be closed.
func (c *conn) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c.mu.Lock()
	c.giveUp = cancel
	cause := c.cause
	c.mu.Unlock()
	if cause != nil {
		return cause
	}
	client, err := c.backend.balancer.transport.NewClientConn(context.WithValue(ctx, connKey{}, c), "http", c.address)
	if err != nil {
		if cause := c.ended(); cause != nil {
			err = cause
		}
		return fmt.Errorf("connecting: %w", err)
	}
	c.client = client
	c.timer = time.AfterFunc(idleTimeout, c.tick)
	return nil
}

// begin starts the use of the connection for an exchange. It reports why not,
// if the connection was cut meanwhile.
func (c *conn) begin(x *exchange) error {
	c.touch()
	c.sent.Store(false)
	c.received.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchange = x
	if c.cause == nil {
		c.timer.Reset(x.balancer.current.Load().silence)
	}
	return c.cause
}

// end ends the use of the connection, after which nothing that happens to it
// reaches the exchange, and reports why it was cut, if it was.
func (c *conn) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchange = nil
	return c.cause
}

// ended reports why the connection was cut, if it was.
func (c *conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// cut closes the connection under whoever uses it.
func (c *conn) cut(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutLocked(cause)
}

func (c *conn) cutLocked(cause error) {
	if c.cause == nil {
		c.cause = cause
	}
	if c.giveUp != nil {
		c.giveUp()
	}
	if c.Conn != nil {
		c.Conn.Close()
	}
	// The exchange may be blocked on its client instead, and must end as well.
	if c.exchange != nil {
		c.exchange.interrupt()
	}
}

// close ends a connection that nobody uses.
func (c *conn) close() {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.Conn != nil {
		c.Conn.Close()
	}
	c.backend.forget(c)
}

// tick closes the connection if it is idle, or cuts it if it has been silent
// for too long. The timer is not exact about which of the two it was set for,
// and need not be.
func (c *conn) tick() {
	if c.backend.unkeep(c) {
		c.close()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchange == nil {
		return
	}
	b := c.backend.balancer
	quiet, silence := b.elapsed()-time.Duration(c.moved.Load()), b.current.Load().silence
	if quiet < silence {
		c.timer.Reset(silence - quiet)
		return
	}
	c.cutLocked(errSilent)
}

func (c *conn) touch() { c.moved.Store(int64(c.backend.balancer.elapsed())) }

// Read reads from the backend.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.received.Store(true)
		c.touch()
	}
	return n, err
}

// Write writes to the backend.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.sent.Store(true)
		c.touch()
	}
	return n, err
}

// CloseWrite ends one direction of a tunnel.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// elapsed is the time since the epoch.
func (b *Balancer) elapsed() time.Duration { return time.Since(b.epoch) }
