// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Traffic is what a controller has of the way from clients to replicas. [Front]
// is the whole of it in one process; where several copies take requests, it
// stands for all of them.
type Traffic interface {
	// Attach says whom to tell that a request found no replica, and that one
	// failed on a replica. Both are hints, and must not be waited for.
	Attach(arrived func(), failed func(id int64))
	// SetDial says how connections to replicas are made; nil makes them plainly.
	SetDial(dial balancer.Dial)
	// Serve answers requests until ctx ends. An error means that it cannot.
	Serve(ctx context.Context) error
	// URL is where clients reach the service.
	URL() string
	// SetTLS makes the endpoint speak HTTPS with a certificate, or HTTP for nil.
	SetTLS(t *serve.TLS) error
	// Configure sets who is let in, and how requests are sent on.
	Configure(settings balancer.Settings)
	// SetBackends replaces the replicas that take requests.
	SetBackends(backends []balancer.Backend)
	// SetHold says for how long a request that finds none may wait for one.
	SetHold(wait time.Duration)
	// Requests is how many requests arrived in the minute up to now.
	Requests(now time.Time) int
	// Busy is for how long requests have been under way, all together. It grows.
	Busy() time.Duration
	// Toll is what failures have cost requests since it was last asked, by replica.
	Toll() map[int64]balancer.Toll
	// Drain returns when no request is under way to a replica that is not among
	// the backends any more, or when ctx ends.
	Drain(ctx context.Context, id int64)
	// Abort cuts what is under way to such a replica.
	Abort(id int64)
}

// Front is a balancer behind an endpoint: all there is between clients and
// replicas in one process. It outlives the controllers that use it, one after
// the other.
type Front struct {
	*balancer.Balancer
	endpoint *Endpoint
	log      *slog.Logger
	attached atomic.Pointer[attached]
}

// attached is whom a front tells what it notices.
type attached struct {
	arrived func()
	failed  func(id int64)
}

var _ Traffic = (*Front)(nil)

// NewFront puts a balancer without backends behind an endpoint.
func NewFront(endpoint *Endpoint, log *slog.Logger) *Front {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Front{endpoint: endpoint, log: log}
	f.Attach(func() {}, func(int64) {})
	f.Balancer = balancer.New(balancer.Options{
		OnArrival: func() { f.attached.Load().arrived() },
		OnFailure: func(id int64, _ error) { f.attached.Load().failed(id) },
		Log:       log,
	})
	return f
}

// Attach replaces whom the front tells what it notices.
func (f *Front) Attach(arrived func(), failed func(id int64)) {
	f.attached.Store(&attached{arrived, failed})
}

// Serve answers requests until ctx ends.
func (f *Front) Serve(ctx context.Context) error { return f.endpoint.serve(ctx, f.Balancer, f.log) }

// URL is where clients reach the endpoint.
func (f *Front) URL() string { return f.endpoint.URL() }

// SetTLS makes the endpoint speak HTTPS with a certificate, or HTTP for nil.
func (f *Front) SetTLS(t *serve.TLS) error { return f.endpoint.SetTLS(t) }

// Drain returns when no request is under way to a backend that has left.
func (f *Front) Drain(ctx context.Context, id int64) {
	select {
	case <-f.Drained(id):
	case <-ctx.Done():
	}
}
