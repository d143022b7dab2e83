// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package manager runs the controllers of many services in one process, and
// lets several such processes, its copies, share the work.
//
// All copies watch one [serve.Directory] and take requests for every service in
// it. One of them leads: it runs a [controller.Controller] for each service, and
// nobody else launches or ends anything. The others follow. Over one connection
// to the leader they are told which replicas take requests, and tell what arrives
// at them, what fails, and which replicas that were taken from them still have
// something under way: so the leader decides by the load of all copies, and a
// replica is drained when it is drained everywhere.
//
// When the leader ends, the others go on with the replicas they know, and one of
// them takes over: it loads what was stored, finds its own balancers in place,
// and decides from there. That two lead at once, because one of them was stopped
// for so long that it was given up, does no harm: whatever is decided is stored
// before it is done, and of two who store one is refused and ends.
package manager

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/controller"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Elector lets one copy lead.
type Elector interface {
	// Run takes part in the election until ctx ends. While this copy leads, lead
	// runs, and its ctx ends when the copy does not lead any more. An error means
	// that the lead was lost, or that no part can be taken.
	Run(ctx context.Context, lead func(ctx context.Context)) error
	// Leader calls tell with the address of whoever leads, "host:port", at first
	// and after every change until ctx ends; empty while nobody does.
	Leader(ctx context.Context, tell func(address string)) error
}

// Parts is what a service's controller works with, and what is its own.
type Parts struct {
	Store   serve.Store
	Clouds  []serve.Cloud
	Bundles controller.Bundles
	Archive controller.Archive
}

// Options is what a manager is made of.
type Options struct {
	Directory serve.Directory
	Elector   Elector
	// Open gives the parts of a service's controller.
	Open func(ctx context.Context, name, uid string) (Parts, error)
	// Dial connects to replicas of services that another copy decides for; nil does so
	// plainly.
	Dial balancer.Dial
	// Listener is where other copies reach this one; Server and Client are for
	// this connection's two ends, and Token is what a follower shows.
	Listener       net.Listener
	Server, Client *tls.Config
	Token          string
	// Host is the address on which endpoints listen; empty is every one.
	Host string
	// FirstPort is the first port given to an endpoint.
	FirstPort int
	// Certify gives what has the certificates of a service's endpoint issued by an
	// authority, until ctx ends; nil if none can be.
	Certify func(ctx context.Context, name, uid string, how serve.ACME) (*tls.Config, error)
	// Grace is for how long requests are taken after the end was asked for: until
	// clients have heard that this copy is not there any more.
	Grace time.Duration
	// Patience is for how long those under way may go on after that.
	Patience time.Duration
	Log      *slog.Logger
}

// Manager is one copy.
type Manager struct {
	o    Options
	hub  *hub
	list declarations

	mu    sync.Mutex
	doors map[string]*door // by UID
	// shown are the services that this copy decides for, by UID.
	shown map[string]*serve.Service

	id     string      // so that it does not follow itself
	synced atomic.Bool // it has known the routes of all services
	ending atomic.Bool
}

// New makes a copy. It does nothing until Run is called.
func New(o Options) *Manager {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Manager{o: o, hub: newHub(), list: newDeclarations(), doors: map[string]*door{}, shown: map[string]*serve.Service{}, id: rand.Text()}
}

// Run takes requests and takes part in the lead until ctx ends; then it hands
// over, and takes requests for as long as the grace goes on.
func (m *Manager) Run(ctx context.Context) error {
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	var parts sync.WaitGroup
	// A part that ends before it should takes the whole with it.
	part := func(f func(context.Context) error) {
		parts.Go(func() {
			if err := f(serving); err != nil && serving.Err() == nil {
				stop(err)
			}
		})
	}
	part(m.watch)
	part(m.serveCopies)
	part(m.follow)
	electing, resign := context.WithCancel(serving)
	defer resign()
	part(func(context.Context) error { return m.elect(electing) })

	select {
	case <-ctx.Done():
		m.ending.Store(true)
		resign()
		if m.hasDoors() {
			sleep(serving, m.o.Grace)
		}
	case <-serving.Done():
	}
	err := context.Cause(serving)
	stop(nil)
	parts.Wait()
	return err
}

// elect takes part in the election. Having lost the lead is the end of a copy:
// the next one begins with nothing left of it.
func (m *Manager) elect(ctx context.Context) error {
	if err := m.o.Elector.Run(ctx, m.lead); ctx.Err() == nil {
		return errors.Join(errors.New("the lead was lost"), err)
	}
	return nil
}

// Ready reports whether this copy can take requests: it knows the services, and
// which replicas take theirs. Once it does it stays so until it ends.
func (m *Manager) Ready() bool {
	return !m.ending.Load() && m.synced.Load() && m.open()
}

// Leads reports whether this copy decides.
func (m *Manager) Leads() bool { return m.reign() != nil }

// Each tells of every service with an endpoint: its name, how it is if this copy
// decides for it, and what the balancer of this copy has done.
func (m *Manager) Each(tell func(name string, s *serve.Service, traffic balancer.Stats)) {
	all, _, _ := m.list.get()
	for _, d := range all {
		m.mu.Lock()
		shown := m.shown[d.UID]
		m.mu.Unlock()
		if front := m.front(d.UID); front != nil {
			tell(d.Name, shown, front.Stats())
		}
	}
}

// sleep waits, and reports false when the context ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
