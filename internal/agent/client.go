// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// DefaultPort is where an agent listens if nothing else is said.
const DefaultPort = 9738

// ClientOptions say which machine a [Client] talks to.
type ClientOptions struct {
	// Address is the "ip:port" of the machine's agent.
	Address string
	// Keys are those of the replica.
	Keys Keys
	// Young accepts a machine that shows the birth key, as one does that has no
	// order yet. A machine that was furnished once never does, so that whoever has
	// read its user data cannot take its place.
	Young bool
}

// Client talks to the machine of one replica. It is safe for concurrent use.
//
// serve.ErrUnreachable means that nothing is known of the machine, which may
// not be up yet, and serve.ErrUnauthorized that what is at its address is not it,
// or does not take us for its controller. A machine that hangs up on us may seem to
// be the one as well as the other.
type Client struct {
	address string
	keys    Keys
	// young is whether the birth key will do. It never will again once the
	// machine's own was seen.
	young atomic.Bool
	http  http.Client
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewClient gives a client. It does not connect.
func NewClient(o ClientOptions) *Client {
	c := &Client{address: o.Address, keys: o.Keys, dial: dialer().DialContext}
	c.young.Store(o.Young)
	c.http.Transport = &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.connect(ctx, protocolHTTP)
		},
		ResponseHeaderTimeout: diskPatience,
		IdleConnTimeout:       diskPatience,
		MaxIdleConnsPerHost:   1,
		DisableCompression:    true,
	}
	return c
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// State gives the state of the machine.
func (c *Client) State(ctx context.Context) (State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: it was silent for %v", serve.ErrUnreachable, patience))
	defer cancel()
	var s State
	res, err := c.do(ctx, http.MethodGet, pathState, nil, nil)
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		return s, c.explain(ctx, err)
	}
	return s, nil
}

// Logs opens what setup and run have printed. With opt.Follow it goes on until
// ctx ends, or the machine does, which is an error unless it has ended in order.
func (c *Client) Logs(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error) {
	query := url.Values{"follow": {strconv.FormatBool(opt.Follow)}, "tail": {strconv.Itoa(opt.Tail)}}
	res, err := c.do(ctx, http.MethodGet, pathLogs+"?"+query.Encode(), nil, nil)
	if err != nil {
		return nil, err
	}
	return logReader{res.Body, c, ctx}, nil
}

// logReader reads a log until its context ends, which is the end of the log then.
type logReader struct {
	io.ReadCloser
	c   *Client
	ctx context.Context
}

func (l logReader) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case l.ctx.Err() != nil:
		return n, io.EOF
	default:
		return n, l.c.explain(l.ctx, err)
	}
}

// Dial connects to the service's port on the machine, through the agent. When
// it returns the server there has accepted; serve.ErrUnreachable if it has not.
func (c *Client) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := c.connect(ctx, protocolTunnel)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if conn.ConnectionState().NegotiatedProtocol != protocolTunnel {
		err = errors.New("it has no agent yet")
	} else {
		var said [1]byte
		if _, err = io.ReadFull(conn, said[:]); err == nil && said[0] != tunnelJoined {
			err = errors.New("nothing accepts connections at the service's port")
		}
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(c.explain(ctx, err), conn.Close())
	}
	return conn, nil
}

// connect makes a connection to the machine for one of the protocols.
func (c *Client) connect(ctx context.Context, protocol string) (*tls.Conn, error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := c.shake(patient, protocol)
	if err != nil && patient.Err() != nil && ctx.Err() == nil {
		// It is not the caller who was out of patience.
		err = fmt.Errorf("%w: there was no connection within %v", serve.ErrUnreachable, patience)
	}
	return conn, err
}

func (c *Client) shake(ctx context.Context, protocol string) (*tls.Conn, error) {
	raw, err := c.dial(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain{raw}, clientTLS(c.keys.controller, protocol, c.accept))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// accept decides whether what has a key is the machine.
func (c *Client) accept(key ed25519.PublicKey) error {
	switch {
	case publicKey(c.keys.machine).Equal(key):
		c.young.Store(false)
		return nil
	case !publicKey(c.keys.birth).Equal(key):
		return fmt.Errorf("%w: it is another machine, or another controller's", serve.ErrUnauthorized)
	case !c.young.Load():
		return fmt.Errorf("%w: it shows the key of a machine that has no order yet", serve.ErrUnauthorized)
	default:
		return nil
	}
}

// do sends a request and gives the answer if it is a good one.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader, prepare func(*http.Request)) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.address+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking the machine at %s: %w", c.address, err)
	}
	if prepare != nil {
		prepare(req)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if res.StatusCode/100 != 2 && res.StatusCode != http.StatusFailedDependency {
		defer res.Body.Close()
		return nil, fmt.Errorf("asking the machine at %s: %w", c.address, failureOf(res))
	}
	return res, nil
}

// explain says what a failed exchange means. Where this side has ended it, it
// means why that was. Otherwise nothing is known of the machine, unless one of
// the two does not trust the other.
func (c *Client) explain(ctx context.Context, err error) error {
	if tried, ok := errors.AsType[*url.Error](err); ok {
		err = tried.Err // it says again what was asked
	}
	if own, ok := errors.AsType[contentError](err); ok {
		return fmt.Errorf("reading what to send: %w", own.error)
	}
	if ended := context.Cause(ctx); ended != nil {
		err = ended
	} else if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" {
		// So crypto/tls calls what the other end has said about our certificate.
		err = fmt.Errorf("%w: %w", serve.ErrUnauthorized, err)
	} else if !errors.Is(err, serve.ErrUnauthorized) && !errors.Is(err, serve.ErrUnreachable) {
		err = fmt.Errorf("%w: %w", serve.ErrUnreachable, err)
	}
	return fmt.Errorf("asking the machine at %s: %w", c.address, err)
}
