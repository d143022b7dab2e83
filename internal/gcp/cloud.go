// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"log/slog"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// cloudName is the name of this cloud in locations.
const cloudName = "gcp"

// CloudOptions says whose instances a [Cloud] makes, and how.
type CloudOptions = fleet.Options

// Cloud launches replicas as instances of Compute Engine. Several may use one project,
// in one process or in many.
type Cloud struct {
	*fleet.Fleet
	log     *slog.Logger
	account *account
}

var (
	_ serve.Cloud     = (*Cloud)(nil)
	_ serve.Dialer    = (*Cloud)(nil)
	_ serve.Cleaner   = (*Cloud)(nil)
	_ serve.Keyholder = (*Cloud)(nil)
)

// NewCloud gives the cloud of a project. It touches nothing, and connects when it is
// first used.
func NewCloud(o CloudOptions) *Cloud {
	c := &Cloud{log: o.Logger(), account: newAccount(o)}
	c.Fleet = fleet.New(o, c)
	return c
}

// Name is "gcp".
func (c *Cloud) Name() string { return cloudName }

// Renew implements [serve.Keyholder].
func (c *Cloud) Renew(ctx context.Context) (changed bool, err error) { return c.account.Renew(ctx) }
