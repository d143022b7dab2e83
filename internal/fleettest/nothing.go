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

func (noBundles) Has(string) (bool, error)           { return true, nil }
func (noBundles) Put(string, io.Reader) error        { return nil }
func (noBundles) Open(string) (io.ReadCloser, error) { return nil, serve.ErrNotFound }
func (noBundles) Keep(...string) error               { return nil }

// noTraffic is the way from clients that never come.
type noTraffic struct{}

func (noTraffic) Attach(func(), func(int64))     {}
func (noTraffic) SetDial(balancer.Dial)          {}
func (noTraffic) URL() string                    { return "http://nowhere" }
func (noTraffic) SetTLS(*serve.TLS) error        { return nil }
func (noTraffic) Configure(balancer.Settings)    {}
func (noTraffic) SetHold(time.Duration)          {}
func (noTraffic) Requests(time.Time) int         { return 0 }
func (noTraffic) Busy() time.Duration            { return 0 }
func (noTraffic) Drain(context.Context, int64)   {}
func (noTraffic) Abort(int64)                    {}
func (noTraffic) Toll() map[int64]balancer.Toll  { return nil }
func (noTraffic) SetBackends([]balancer.Backend) {}

func (noTraffic) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
