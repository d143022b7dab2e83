// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Machine is what the books of an emulated cloud have of a machine.
type Machine struct {
	// ID is the vendor's, Service whose it is, and Replica that of which it is the
	// machine, as it is labelled: two of the same Replica are one too many.
	ID, Service, Replica string
	// Host is the address it is reached at, empty while it has none.
	Host     string
	Running  bool
	Launched time.Time
	// Warnings are what the machine is told of its end.
	Warnings []agent.Warning
}

// Stations are the agents of a cloud whose machines are records only: what they would
// say follows from the books.
type Stations struct {
	// Machines gives those that there are, or are about to be.
	Machines func() []Machine
	// Every is how often an agent looks at its machine, Boot how long it takes from the
	// machine's launch until it answers, and Takes how long what it is given takes.
	Every, Boot, Takes time.Duration

	mu sync.Mutex
	at time.Time
	by map[string]Machine
}

func (s *Stations) machine(host string) (Machine, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.by == nil || now.Sub(s.at) >= s.Every {
		s.at, s.by = now, map[string]Machine{}
		for _, m := range s.Machines() {
			s.by[m.Host] = m
		}
	}
	m, ok := s.by[host]
	return m, ok && m.Running
}

// Connect gives the agent at an address.
func (s *Stations) Connect(o agent.ClientOptions) fleet.Machine {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		panic(err) // it was joined a moment ago
	}
	return station{s, host}
}

// station is the agent on one machine.
type station struct {
	*Stations
	host string
}

func (s station) gone() error {
	return fmt.Errorf("nobody answers at %s: %w", s.host, serve.ErrUnreachable)
}

// Furnish waits until the machine has booted, and has taken in what it is given.
func (s station) Furnish(ctx context.Context, _ agent.Supplies) error {
	for turns.Sleep(ctx, s.Every) {
		if m, ok := s.machine(s.host); ok && time.Since(m.Launched) > s.Boot && turns.Sleep(ctx, s.Takes) {
			return nil
		}
	}
	return ctx.Err()
}

// Watch tells of the machine's warnings while it is there.
func (s station) Watch(ctx context.Context, tell func(agent.State) bool) error {
	for {
		m, ok := s.machine(s.host)
		if !ok {
			return s.gone()
		}
		if !tell(agent.State{Phase: agent.PhaseRun, Warnings: m.Warnings}) {
			return nil
		}
		if !turns.Sleep(ctx, s.Every) {
			return ctx.Err()
		}
	}
}

// Logs gives nothing.
func (s station) Logs(context.Context, serve.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

// Dial connects to a server that answers every request well.
func (s station) Dial(context.Context) (net.Conn, error) {
	if _, ok := s.machine(s.host); !ok {
		return nil, s.gone()
	}
	ours, theirs := net.Pipe()
	go answer(theirs)
	return ours, nil
}

func answer(c net.Conn) {
	_, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
	_ = errors.Join(err, c.Close()) // whoever has asked may be gone
}

// Close does nothing.
func (station) Close() {}
