// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"errors"
	"io"
	"net"

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
// not be up yet, and serve.ErrUnauthorized that somebody else is at its address.
type Client struct{}

// NewClient gives a client. It does not connect.
func NewClient(o ClientOptions) *Client { return &Client{} }

// Close closes the connections that are not in use.
func (c *Client) Close() {}

// State gives the state of the machine.
func (c *Client) State(ctx context.Context) (State, error) { return State{}, errors.ErrUnsupported }

// Supplies are what a machine needs to carry out its order.
type Supplies struct {
	Order Order
	// Program is the agent's program, of the machine's platform.
	Program *Program
	// Bundle opens a bundle that the order names.
	Bundle func(digest string) (io.ReadCloser, error)
}

// Furnish brings the machine from whatever state it is in to running its order,
// and returns when setup has begun, or run if there is no setup. It waits for a
// machine that is not up yet for as long as ctx allows, and may be called again
// wherever it was broken off, and when all is done.
//
// serve.ErrInvalid means that the order can never be carried out,
// serve.ErrConflict that the machine has another one, serve.ErrUnauthorized that
// the machine does not show a key it might.
func (c *Client) Furnish(ctx context.Context, s Supplies) error { return errors.ErrUnsupported }

// Watch calls tell with the state of the machine as it is now and then after
// every change, until tell returns false or ctx ends. A machine that says nothing
// for a few seconds, not even that it is there, is serve.ErrUnreachable.
func (c *Client) Watch(ctx context.Context, tell func(State) bool) error {
	return errors.ErrUnsupported
}

// Logs opens what setup and run have printed. With opt.Follow it goes on until
// the machine or ctx ends.
func (c *Client) Logs(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

// Dial connects to the service's port on the machine, through the agent. When
// it returns the server there has accepted; serve.ErrUnreachable if it has not.
func (c *Client) Dial(ctx context.Context) (net.Conn, error) { return nil, errors.ErrUnsupported }

// Program is the agent's program for one platform, ready to be sent to machines.
type Program struct{}

// OpenProgram reads the program at path.
func OpenProgram(path string) (*Program, error) { return nil, errors.ErrUnsupported }

// Digest gives "sha256:<hex>" of the program, which the user data has to say.
func (p *Program) Digest() string { return "" }

// Close lets go of the program.
func (p *Program) Close() error { return nil }
