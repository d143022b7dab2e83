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
// its own first, and those that a service can name besides, each in the place
// that was noted for it before. Note, if there is one, notes that before the first
// machine is made there.
func clouds(home, executable string, notes map[string]string, note func(cloud, where string) error, log *slog.Logger) []serve.Cloud {
	cluster := kube.NewCloud(kube.CloudOptions{
		Config: kube.Config{Context: notes[kubernetes]},
		Scope:  func() (string, error) { return local.Identity(home) },
		Log:    log,
	})
	pods := serve.Cloud(cluster)
	if note != nil {
		pods = noted{cluster, func() error {
			context, err := cluster.Context()
			if err != nil {
				return err
			}
			return note(kubernetes, context)
		}}
	}
	return []serve.Cloud{local.NewCloud(local.CloudOptions{Root: home, Executable: executable, Log: log}), pods}
}

// kubernetes is the name of that cloud.
const kubernetes = "kubernetes"

// noted is a cloud whose use is noted before it is used, for whoever has to clear
// up after a controller that is no more.
type noted struct {
	serve.Cloud
	note func() error
}

// Launch launches once the use is noted.
func (n noted) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := n.note(); err != nil {
		return serve.Instance{}, err
	}
	return n.Cloud.Launch(ctx, req)
}
