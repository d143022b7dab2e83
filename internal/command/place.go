// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// place is where the controllers are that a command talks to.
type place struct {
	// home is the directory of local services, empty for the usual one.
	home string
	// infra is empty for this machine, "kubernetes", "kubernetes/NAMESPACE", or "aws" or
	// "gcp", which a region may follow.
	infra string
}

// deployer gives the deployer of the place.
func (at place) deployer(version string) (serve.Deployer, error) {
	name, inside, scoped := strings.Cut(at.infra, "/")
	whole := scoped == (inside != "") && !strings.Contains(inside, "/")
	switch {
	case name == "" && !scoped, name == "local" && !scoped:
		home, err := homeOf(at.home)
		if err != nil {
			return nil, err
		}
		executable, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding this program's own file: %w", err)
		}
		return localDeployer(home, &agent.Programs{Own: executable, Version: version}, nil, nil), nil
	case name == kubernetes && whole:
		return kubernetesDeployer(kube.Config{Namespace: inside}, version, nil)
	case name == amazon && whole:
		return awsDeployer(aws.Config{Region: inside}, version, nil)
	case name == google && whole:
		return gcpDeployer(gcp.Config{Region: inside}, version, nil)
	}
	return nil, usageError{fmt.Sprintf("--infra is local, kubernetes[/NAMESPACE], aws[/REGION], or gcp[/REGION], and not %q", at.infra)}
}

// String names the place for people.
func (at place) String() string {
	if at.infra != "" {
		return at.infra
	}
	home, err := homeOf(at.home)
	if err != nil {
		return at.home
	}
	return home
}

// find gives a client for the named service's controller.
func (p *Program) find(ctx context.Context, at place, service string) (serve.Client, serve.Deployer, error) {
	d, err := at.deployer(p.Version)
	if err != nil {
		return nil, nil, err
	}
	client, err := d.Find(ctx, service)
	if errors.Is(err, serve.ErrNotFound) {
		err = fmt.Errorf("service %q in %s: %w", service, at, serve.ErrNotFound)
	}
	return client, d, err
}
