// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleet

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Machine is the agent on a machine, as [agent.Client] talks to it.
type Machine interface {
	Furnish(ctx context.Context, s agent.Supplies) error
	Watch(ctx context.Context, tell func(agent.State) bool) error
	Logs(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error)
	Dial(ctx context.Context) (net.Conn, error)
	Close()
}

// reached is a machine that is talked to at an address.
type reached struct {
	Machine
	address string
}

// Birth gives what the machine of a replica is to know when it starts, in a cloud
// whose name the agent has for the metadata service. It is always the same for the
// same replica and program.
func (f *Fleet) Birth(cloud string, ref serve.Ref, architecture string) (bootstrap.Config, error) {
	keys, err := f.keys(ref)
	if err != nil {
		return bootstrap.Config{}, err
	}
	birth, err := keys.BirthPEM()
	if err != nil {
		return bootstrap.Config{}, err
	}
	program, err := f.o.Program(architecture)
	if err != nil {
		return bootstrap.Config{}, err
	}
	defer program.Close()
	return bootstrap.Config{
		Cloud: cloud, Port: agent.DefaultPort, Program: program.Digest(), Lease: lease,
		Controller: keys.ControllerPEM(), Birth: birth,
	}, nil
}

// keys gives the keys of a replica.
func (f *Fleet) keys(ref serve.Ref) (agent.Keys, error) {
	secret, err := f.o.Secret()
	if err != nil {
		return agent.Keys{}, fmt.Errorf("reading the secret that machines are known by: %w", err)
	}
	return agent.NewKeys(secret, ref)
}

// connect gives a client of the agent on the machine whose server is at address.
func (f *Fleet) connect(ref serve.Ref, address string, young bool) (Machine, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("reading the address of replica %d: %w: %w", ref.Replica, serve.ErrInvalid, err)
	}
	keys, err := f.keys(ref)
	if err != nil {
		return nil, err
	}
	return f.o.Connect(agent.ClientOptions{
		Address: net.JoinHostPort(host, strconv.Itoa(agent.DefaultPort)), Keys: keys, Young: young,
	}), nil
}

// machine gives the machine of a replica, the same for as long as it is there.
func (f *Fleet) machine(ref serve.Ref, address string) (Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.reached[ref]; ok && r.address == address {
		return r.Machine, nil
	}
	m, err := f.connect(ref, address, false)
	if err != nil {
		return nil, err
	}
	if old, ok := f.reached[ref]; ok {
		old.Close()
	}
	f.reached[ref] = reached{m, address}
	return m, nil
}

// Dial connects to the server on a replica's machine, through the agent there. A
// machine that was neither launched nor found here is not remembered: who only passes
// requests on never hears of its end.
func (f *Fleet) Dial(ctx context.Context, ref serve.Ref, address string) (net.Conn, error) {
	if _, ours := f.known(ref); !ours {
		m, err := f.connect(ref, address, false)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		return m.Dial(ctx)
	}
	m, err := f.machine(ref, address)
	if err != nil {
		return nil, err
	}
	return m.Dial(ctx)
}

// Logs opens what the replica's setup and run have printed, as the machine has it.
func (f *Fleet) Logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	log, err := f.logs(ctx, ref, opt)
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", ref.Replica, err)
	}
	return log, nil
}

func (f *Fleet) logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	at, ok := f.known(ref)
	if !ok {
		found, err := f.vendor.List(ctx, ref.Service)
		if err != nil {
			return nil, err
		}
		for _, i := range found {
			if i.Ref == ref && i.Address != "" {
				at, ok = i, true
			}
		}
	}
	if !ok {
		return nil, serve.ErrNotFound
	}
	m, err := f.machine(ref, at.Address)
	if err != nil {
		return nil, err
	}
	return m.Logs(ctx, opt)
}
