// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
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

// watchDelay is how long a request may take before its client is watched as
// well. Most have ended by then, and cost nothing; to work in vain for a client
// that has gone costs the backend no more than this.
const watchDelay = 5 * time.Millisecond

// readerSize is how much is read ahead of a backend, for each connection.
const readerSize = 4 << 10

// unlimited is the quota of a connection of which any number of bytes may be read.
const unlimited = math.MaxInt64

// errSilent is why a request was cut off that had been silent for too long.
var errSilent = errors.New("no byte was moved for longer than the stream timeout")

// conn is a connection to a backend, which knows what has been sent and
// received over it, and when.
type conn struct {
	net.Conn
	backend      *backend
	way, address string
	reused       bool

	// Only the exchange that uses the connection touches these.
	reader    *bufio.Reader       // over this conn
	quota     int64               // how much may still be read
	unflushed http.ResponseWriter // a client to flush before the backend is waited for
	raw       syscall.RawConn     // see alive
	look      func(fd uintptr) bool
	quiet     bool

	// moved is when the last byte was read or written, as time since the epoch;
	// sent and received say whether any was since the request began.
	moved          atomic.Int64
	sent, received atomic.Bool

	// timer fires when the connection may have been idle or silent for too long,
	// and early in a request. It is one for the life of the connection, so that a
	// request costs a Reset.
	timer *time.Timer

	mu       sync.Mutex // guards what follows, and Conn until open has returned
	exchange *exchange  // what it is used for now
	uses     int        // how many times it was used
	unwatch  func() bool
	cause    error // why it was cut
	closed   bool
	giveUp   context.CancelFunc
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
	dial := *c.backend.balancer.dial.Load()
	raw, err := dial(ctx, c.way, c.address)
	c.mu.Lock()
	defer c.mu.Unlock()
	if raw != nil {
		c.Conn = raw
	}
	if err != nil || c.cause != nil {
		return fmt.Errorf("connecting: %w", cmp.Or(c.cause, err))
	}
	c.quota = unlimited
	c.reader = bufio.NewReaderSize(c, readerSize)
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
	c.uses++
	if c.cause == nil {
		c.timer.Reset(min(watchDelay, x.balancer.current.Load().silence))
	}
	return c.cause
}

// end ends the use of the connection, after which nothing that happens to it
// reaches the exchange, and reports why it was cut, if it was.
func (c *conn) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchange = nil
	if c.unwatch != nil {
		c.unwatch()
		c.unwatch = nil
		c.timer.Reset(idleTimeout) // which the end of a silence is later than
	}
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
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
// and need not be: it is set anew for what is left.
func (c *conn) tick() {
	b := c.backend.balancer
	quiet := b.elapsed() - time.Duration(c.moved.Load())
	switch c.backend.expire(c, quiet) {
	case expired:
		c.close()
		return
	case waiting:
		return
	case inUse:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchange == nil {
		if !c.closed {
			c.timer.Reset(idleTimeout) // it is just being kept
		}
		return
	}
	silence := b.current.Load().silence
	if quiet >= silence {
		c.cutLocked(errSilent)
		return
	}
	c.timer.Reset(silence - quiet)
	if c.unwatch == nil {
		ctx, use := c.exchange.request.Context(), c.uses
		c.unwatch = context.AfterFunc(ctx, func() { c.desert(use, context.Cause(ctx)) })
	}
}

// desert cuts the connection off from a client that has gone.
func (c *conn) desert(use int, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchange != nil && c.uses == use {
		c.cutLocked(cause)
	}
}

func (c *conn) touch() { c.moved.Store(int64(c.backend.balancer.elapsed())) }

// Read reads from the backend. Before it waits, it lets the client have what
// there is: so nothing is ever held back, and what comes in one piece also
// leaves in one.
func (c *conn) Read(p []byte) (int, error) {
	if c.unflushed != nil {
		// If the client has gone, the next write says so.
		_ = http.NewResponseController(c.unflushed).Flush()
		c.unflushed = nil
	}
	if c.quota <= 0 {
		return 0, errHead
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.quota -= int64(n)
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
