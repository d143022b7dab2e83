// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"log/slog"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// awsController keeps one service alive from a machine of AWS.
func (p *Program) awsController(ctx context.Context, args []string) error {
	return p.controllerOn(ctx, "aws-controller", args, func(ctx context.Context, dir string, log *slog.Logger) (post, error) {
		host, err := aws.OpenHost(ctx, dir, log)
		if err != nil {
			return post{}, err
		}
		if err := host.GiveWay(ctx); err != nil {
			return post{}, err
		}
		cloud, err := host.Cloud(ctx, aws.CloudOptions{Log: log})
		if err != nil {
			return post{}, err
		}
		more, err := others(ctx, host.Host, amazon, log)
		return post{host.Host, append([]serve.Cloud{cloud}, more...), host.Take}, err
	})
}
