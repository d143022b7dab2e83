// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// reached is a machine that is talked to at an address.
type reached struct {
	Machine
	address string
}

// keys gives the keys of a replica.
func (c *Cloud) keys(ref serve.Ref) (agent.Keys, error) {
	secret, err := c.o.Secret()
	if err != nil {
		return agent.Keys{}, fmt.Errorf("reading the secret that machines are known by: %w", err)
	}
	return agent.NewKeys(secret, ref)
}

// connect gives a client of the agent on the machine whose server is at address.
func (c *Cloud) connect(ref serve.Ref, address string, young bool) (Machine, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("reading the address of replica %d: %w: %w", ref.Replica, serve.ErrInvalid, err)
	}
	keys, err := c.keys(ref)
	if err != nil {
		return nil, err
	}
	return c.o.Connect(agent.ClientOptions{
		Address: net.JoinHostPort(host, strconv.Itoa(agent.DefaultPort)), Keys: keys, Young: young,
	}), nil
}

// machine gives the machine of a replica, the same for as long as it is there.
func (c *Cloud) machine(ref serve.Ref, address string) (Machine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.reached[ref]; ok && r.address == address {
		return r.Machine, nil
	}
	m, err := c.connect(ref, address, false)
	if err != nil {
		return nil, err
	}
	if old, ok := c.reached[ref]; ok {
		old.Close()
	}
	c.reached[ref] = reached{m, address}
	return m, nil
}

// Dial connects to the server on a replica's machine, through the agent there.
func (c *Cloud) Dial(ctx context.Context, ref serve.Ref, address string) (net.Conn, error) {
	m, err := c.machine(ref, address)
	if err != nil {
		return nil, err
	}
	return m.Dial(ctx)
}

// Logs opens what the replica's setup and run have printed, as the machine has it.
func (c *Cloud) Logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	log, err := c.logs(ctx, ref, opt)
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", ref.Replica, err)
	}
	return log, nil
}

func (c *Cloud) logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	at, ok := c.known(ref)
	if !ok {
		found, err := c.list(ctx, ref.Service)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if s.Ref == ref && s.Address != "" {
				at, ok = s, true
			}
		}
	}
	if !ok {
		return nil, serve.ErrNotFound
	}
	m, err := c.machine(ref, at.Address)
	if err != nil {
		return nil, err
	}
	return m.Logs(ctx, opt)
}
