// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"log/slog"
	"maps"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The names of clouds that a controller can have wherever it is.
const (
	kubernetes = "kubernetes"
	amazon     = "aws"
	google     = "gcp"
)

// surroundings are what the clouds of a controller depend on.
type surroundings struct {
	headquarters.Abroad
	// program gives those that machines are run by.
	program func(architecture string) (*agent.Program, error)
	// secret is what the keys of machines are made of; nil where none are launched.
	secret func() ([]byte, error)
	log    *slog.Logger
}

// clouds gives the clouds that a service can name wherever its controller is.
func (s surroundings) clouds() []serve.Cloud { return append([]serve.Cloud{s.pods()}, s.abroad()...) }

// abroad gives those of them whose machines our agent is on.
func (s surroundings) abroad() []serve.Cloud {
	return []serve.Cloud{aws.NewCloud(s.machines(amazon)), gcp.NewCloud(s.machines(google))}
}

// abroadOf are the surroundings of a controller in a cluster, by what is kept there.
func abroadOf(a *kube.Abroad, known kube.Known) (surroundings, error) {
	s := surroundings{Abroad: headquarters.Abroad{Notes: maps.Clone(known.Notes)}, log: slog.New(slog.DiscardHandler)}
	if s.Notes == nil {
		s.Notes = map[string]string{}
	}
	if known.Scope != "" {
		s.Scope = func() (string, error) { return known.Scope, nil }
	}
	if a != nil {
		s.Shown = a.Shown
	}
	return s, s.Brief(known.Briefs)
}

// machines are the options of a cloud whose machines our agent is on.
func (s surroundings) machines(cloud string) fleet.Options {
	o := fleet.Options{Known: s.Notes[cloud], Scope: s.Scope, Shown: s.Shown, Secret: s.secret, Program: s.program, Log: s.log}
	if s.Note != nil {
		o.Note = func(where string) error { return s.Note(cloud, where) }
	}
	return o
}

// pods gives the cloud of a cluster.
func (s surroundings) pods() serve.Cloud {
	cluster := kube.NewCloud(kube.CloudOptions{Config: kube.Config{Context: s.Notes[kubernetes]}, Scope: s.Scope, Shown: s.Shown, Log: s.log})
	if s.Note == nil {
		return cluster
	}
	return noted{cluster, func(ctx context.Context) error {
		name, err := cluster.Context(ctx)
		if err != nil {
			return err
		}
		return s.Note(kubernetes, name)
	}}
}

// noted is a cluster whose use is noted before it is used, for whoever has to clear up
// after a controller that is no more.
type noted struct {
	*kube.Cloud
	note func(context.Context) error
}

// Launch launches once the use is noted.
func (n noted) Launch(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	if err := n.note(ctx); err != nil {
		return serve.Instance{}, err
	}
	return n.Cloud.Launch(ctx, req)
}

// onThisMachine are the clouds of a controller on this machine, its own first.
func onThisMachine(home string, programs *agent.Programs, s surroundings) []serve.Cloud {
	s.program = programs.Open
	own := local.NewCloud(local.CloudOptions{Root: home, Executable: programs.Own, Log: s.log})
	return append([]serve.Cloud{own}, s.clouds()...)
}
