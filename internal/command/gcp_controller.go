// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"log/slog"

	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// gcpController keeps one service alive from a machine of Google Cloud.
func (p *Program) gcpController(ctx context.Context, args []string) error {
	return p.controllerOn(ctx, "gcp-controller", args, func(ctx context.Context, dir string, log *slog.Logger) (post, error) {
		host, err := gcp.OpenHost(ctx, dir, log)
		if err != nil {
			return post{}, err
		}
		cloud, err := host.Cloud(ctx, gcp.CloudOptions{Log: log})
		if err != nil {
			return post{}, err
		}
		more, err := others(ctx, host.Host, google, log)
		return post{host.Host, append([]serve.Cloud{cloud}, more...), host.Take}, err
	})
}
