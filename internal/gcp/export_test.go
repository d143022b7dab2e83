// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"net/http"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
)

// Household is what a test knows of a controller that there is everything of.
type Household struct {
	// Account is its service account, and Rights are the permissions in its own roles.
	Account string
	Rights  []string
	// Conf is how it reaches the project, and Bucket what its bucket is called.
	Conf   Config
	Bucket string
}

// Settle makes everything that a controller in a region needs.
func Settle(ctx context.Context, o DeployerOptions, service string) (Household, error) {
	e, err := NewDeployer(o).estate(ctx, service)
	if err == nil {
		_, err = e.MakeBucket(ctx)
	}
	if err == nil {
		_, err = e.MakeAddress(ctx, headquarters.Address{})
	}
	if err == nil {
		err = e.Build(ctx, "amd64")
	}
	if err != nil {
		return Household{}, err
	}
	h := Household{Account: e.accountEmail(), Bucket: e.name()}
	h.Conf, _ = e.Config().(Config)
	for _, r := range rights("") {
		h.Rights = append(h.Rights, r.permissions...)
	}
	return h, nil
}

// EndInstance ends an instance as somebody who has a key.
func EndInstance(ctx context.Context, c Config, way http.RoundTripper, zone, name string) error {
	j, err := connect(ctx, CloudOptions{
		Known: fleet.Place[Config]{Config: c}.String(), Transport: way,
		Shown: func(context.Context, string) (string, error) { return c.Credentials, nil },
	})
	if err != nil {
		return err
	}
	return j.end(ctx, zone, name)
}
