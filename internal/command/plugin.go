// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

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
	leaveTerminationToTerraform()
	factory := provider.New(provider.Options{Version: p.Version, Home: homeOf, Deployers: deployers})
	return providerserver.Serve(context.Background(), factory, providerserver.ServeOpts{
		Address: registryAddress,
		Debug:   debug,
	})
}

// leaveTerminationToTerraform ignores the first SIGTERM. What ends a whole group
// of processes (timeout, systemd, a CI runner) reaches the plugin as well as
// Terraform, which stops what is under way and notes what was made. Were the
// plugin to die first, a service just created would be in no state. A second
// SIGTERM ends it.
func leaveTerminationToTerraform() {
	first := make(chan os.Signal, 1)
	signal.Notify(first, syscall.SIGTERM)
	go func() {
		<-first
		signal.Stop(first)
	}()
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
	log := slog.New(slog.DiscardHandler)
	d := local.NewDeployer(local.DeployerOptions{
		Root:        home,
		Executable:  executable,
		Credentials: func() (serve.Credentials, error) { return api.NewCredentials("controller") },
		Connect:     func(a serve.Access) (serve.Client, error) { return api.Connect(a) },
		Log:         log,
		Clouds: func(notes map[string]string) []serve.Cloud {
			return clouds(home, executable, notes, nil, log)
		},
	})
	return map[string]serve.Deployer{d.Name(): d}
}
