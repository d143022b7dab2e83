// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"log/slog"

	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// clouds gives the clouds that a controller on this machine has machines from:
// its own first, and those that a service can name besides. Note, if there is
// one, is told of another cloud before the first machine is made there.
func clouds(home, executable string, log *slog.Logger, note func(cloud string) error) []serve.Cloud {
	pods := serve.Cloud(kube.NewCloud(kube.CloudOptions{Log: log}))
	if note != nil {
		pods = noted{pods, note}
	}
	return []serve.Cloud{local.NewCloud(local.CloudOptions{Root: home, Executable: executable, Log: log}), pods}
}

// noted is a cloud whose use is noted before it is used, for whoever has to clear
// up after a controller that is no more.
type noted struct {
	serve.Cloud
	note func(cloud string) error
}

// Launch launches once the use is noted.
func (n noted) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := n.note(n.Name()); err != nil {
		return serve.Instance{}, err
	}
	return n.Cloud.Launch(ctx, req)
}
