// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"log/slog"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The names of clouds that a controller on this machine has besides its own.
const (
	kubernetes = "kubernetes"
	amazon     = "aws"
)

// surroundings are what the clouds of a controller on this machine depend on.
type surroundings struct {
	home string
	// programs are those that machines are run by. This one is among them.
	programs *agent.Programs
	// notes are by which name the place in each cloud was known before, and note, if
	// there is one, keeps it before the first machine is made there.
	notes map[string]string
	note  func(cloud, where string) error
	// shown gives what clouds are shown that do not know this machine.
	shown serve.CredentialsOf
	// secret is what the keys of machines are made of; nil where none are launched.
	secret func() ([]byte, error)
	// scouting is set where nothing is looked for that was made before.
	scouting bool
	log      *slog.Logger
}

// clouds gives the clouds that a controller on this machine has machines from:
// its own first, and those that a service can name besides.
func (s surroundings) clouds() []serve.Cloud {
	scope := func() (string, error) { return local.Identity(s.home) }
	if s.scouting {
		scope = nil // it would be made, and be there when nothing else is
	}
	cluster := kube.NewCloud(kube.CloudOptions{Config: kube.Config{Context: s.notes[kubernetes]}, Scope: scope, Shown: s.shown, Log: s.log})
	pods := serve.Cloud(cluster)
	if s.note != nil {
		pods = noted{cluster, func(ctx context.Context) error {
			name, err := cluster.Context(ctx)
			if err != nil {
				return err
			}
			return s.note(kubernetes, name)
		}}
	}
	machines := aws.CloudOptions{Known: s.notes[amazon], Scope: scope, Shown: s.shown, Secret: s.secret, Program: s.programs.Open, Log: s.log}
	if s.note != nil {
		machines.Note = func(where string) error { return s.note(amazon, where) }
	}
	return []serve.Cloud{
		local.NewCloud(local.CloudOptions{Root: s.home, Executable: s.programs.Own, Log: s.log}), pods, aws.NewCloud(machines),
	}
}

// noted is a cloud whose use is noted before it is used, for whoever has to clear
// up after a controller that is no more.
type noted struct {
	serve.Cloud
	note func(context.Context) error
}

// Launch launches once the use is noted.
func (n noted) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := n.note(ctx); err != nil {
		return serve.Instance{}, err
	}
	return n.Cloud.Launch(ctx, req)
}
