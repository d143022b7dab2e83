// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"context"
	"io"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/balancer"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// noBundles is for services without files.
type noBundles struct{}

// Has finds everything.
func (noBundles) Has(string) (bool, error) { return true, nil }

// Put takes anything.
func (noBundles) Put(string, io.Reader) error { return nil }

// Open finds nothing.
func (noBundles) Open(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound }

// Keep has nothing to keep.
func (noBundles) Keep(...string) error { return nil }

// noTraffic is the way from clients that never come.
type noTraffic struct{}

// Attach never calls back.
func (noTraffic) Attach(func(), func(int64)) {}

// SetDial does nothing.
func (noTraffic) SetDial(balancer.Dial) {}

// URL leads nowhere.
func (noTraffic) URL() string { return "http://nowhere" }

// SetTLS does nothing.
func (noTraffic) SetTLS(*serve.TLS) error { return nil }

// Configure does nothing.
func (noTraffic) Configure(balancer.Settings) {}

// SetHold does nothing.
func (noTraffic) SetHold(time.Duration) {}

// Requests counts none.
func (noTraffic) Requests(time.Time) int { return 0 }

// Busy is never.
func (noTraffic) Busy() time.Duration { return 0 }

// Drain has nothing to wait for.
func (noTraffic) Drain(context.Context, int64) {}

// Abort does nothing.
func (noTraffic) Abort(int64) {}

// Toll is none.
func (noTraffic) Toll() map[int64]balancer.Toll { return nil }

// SetBackends does nothing.
func (noTraffic) SetBackends([]balancer.Backend) {}

// Serve waits.
func (noTraffic) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
