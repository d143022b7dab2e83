// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/local"
	"github.com/serve-infra/terraform-provider-serve/internal/provider"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// registryAddress is where the registry knows the provider.
const registryAddress = "registry.terraform.io/serve-infra/serve"

// plugin serves the provider to Terraform, or with debug to a debugger's
// Terraform.
func (p *Program) plugin(debug bool) error {
	factory := provider.New(provider.Options{Version: p.Version, Home: homeOf, Deployers: deployers})
	return providerserver.Serve(context.Background(), factory, providerserver.ServeOpts{
		Address: registryAddress,
		Debug:   debug,
	})
}

// deployers gives every deployer there is, by the name of its infra. Controllers
// are started from the program that is running now.
func deployers(home string) (map[string]serve.Deployer, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program's own file: %w", err)
	}
	return deployersOf(home, executable), nil
}

// deployersOf is deployers with another program for the controllers.
func deployersOf(home, executable string) map[string]serve.Deployer {
	d := local.NewDeployer(local.DeployerOptions{
		Root:        home,
		Executable:  executable,
		Credentials: func() (serve.Credentials, error) { return api.NewCredentials("controller") },
		Connect:     func(a serve.Access) (serve.Client, error) { return api.Connect(a) },
		Log:         slog.New(slog.DiscardHandler),
	})
	return map[string]serve.Deployer{d.Name(): d}
}
