// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
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
	kube.SetLog(slog.New(slog.DiscardHandler)) // what matters is in the errors
	factory := provider.New(provider.Options{Version: p.Version, Home: homeOf, Deployers: p.deployers})
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
func (p *Program) deployers(s provider.Settings) (map[string]serve.Deployer, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program's own file: %w", err)
	}
	here, err := shown(s)
	if err != nil {
		return nil, err
	}
	inside, err := kubernetesDeployer(kubeConfig(s), p.Version, brief(s))
	if err != nil {
		return nil, err
	}
	list := []serve.Deployer{localDeployer(s.Home, &agent.Programs{Own: executable, Version: p.Version}, brief(s), here), inside}
	if config := awsConfig(s); config != nil {
		config.Region = cmp.Or(s.Namespace, config.Region)
		there, err := awsDeployer(*config, p.Version, brief(s))
		if err != nil {
			return nil, err
		}
		list = append(list, there)
	}
	if config := gcpConfig(s); config != nil {
		if s.Namespace != "" && s.Namespace != config.Region {
			config.Region, config.Zone = s.Namespace, "" // which is one of another region
		}
		there, err := gcpDeployer(*config, p.Version, brief(s))
		if err != nil {
			return nil, err
		}
		list = append(list, there)
	}
	all := map[string]serve.Deployer{}
	for _, d := range list {
		all[d.Name()] = d
	}
	return all, nil
}

// kubeConfig gives how a cluster is reached as the provider was told.
func kubeConfig(s provider.Settings) kube.Config {
	k := s.Kubernetes
	c := kube.Config{
		Path: provider.ExpandHome(k.ConfigPath), Context: k.ConfigContext, Host: k.Host, CA: k.ClusterCACertificate, Insecure: k.Insecure,
		Token: k.Token, ClientCertificate: k.ClientCertificate, ClientKey: k.ClientKey,
		Namespace: cmp.Or(s.Namespace, k.Namespace),
	}
	if e := k.Exec; e != nil {
		c.Exec = &kube.Exec{APIVersion: e.APIVersion, Command: e.Command, Args: e.Args, Env: e.Env}
	}
	return c
}

// awsConfig gives how AWS is reached as the provider was told.
func awsConfig(s provider.Settings) *aws.Config {
	a := s.AWS
	if a == nil {
		return nil
	}
	c := &aws.Config{
		Region: a.Region, Profile: a.Profile, Regions: a.Regions, DefaultTags: a.DefaultTags, Endpoints: a.Endpoints, VPC: a.VPC, Private: a.Private,
	}
	if r := a.AssumeRole; r != nil {
		c.AssumeRole = &aws.AssumeRole{ARN: r.ARN, SessionName: r.SessionName, ExternalID: r.ExternalID}
	}
	return c
}

// gcpConfig gives how Google Cloud is reached as the provider was told.
func gcpConfig(s provider.Settings) *gcp.Config {
	g := s.GCP
	if g == nil {
		return nil
	}
	return &gcp.Config{
		Project: g.Project, Region: g.Region, Zone: g.Zone, Credentials: g.Credentials, Impersonate: g.Impersonate,
		Regions: g.Regions, DefaultLabels: g.DefaultLabels, Endpoints: g.Endpoints, Network: g.Network, Private: g.Private,
	}
}

// shown gives what the provider shows clouds, and controllers on this machine with it,
// which are not where the provider is: a file has its whole path.
func shown(s provider.Settings) (serve.CloudCredentials, error) {
	all := serve.CloudCredentials{}
	if s.GCP == nil || s.GCP.Credentials == "" {
		return all, nil
	}
	all[google] = s.GCP.Credentials
	if strings.HasPrefix(strings.TrimSpace(s.GCP.Credentials), "{") {
		return all, nil
	}
	path, err := filepath.Abs(provider.ExpandHome(s.GCP.Credentials))
	if err != nil {
		return nil, fmt.Errorf("finding the credentials for Google Cloud: %w", err)
	}
	all[google] = path
	return all, nil
}

// briefs gives what a controller is to know of clouds before it starts, from what is
// known already.
type briefs func(notes map[string]string) (map[string]string, error)

// brief gives it as the provider was told. Of clouds that nobody has said anything of
// it says nothing.
func brief(s provider.Settings) briefs {
	return func(notes map[string]string) (map[string]string, error) {
		found := map[string]string{}
		var wrong error
		add := func(cloud, where string, err error) {
			wrong = errors.Join(wrong, err)
			if where != "" {
				found[cloud] = where
			}
		}
		if c := awsConfig(s); c != nil {
			where, err := aws.Brief(notes[amazon], *c)
			add(amazon, where, err)
		}
		if c := gcpConfig(s); c != nil {
			where, err := gcp.Brief(notes[google], *c)
			add(google, where, err)
		}
		return found, wrong
	}
}

// localDeployer gives the deployer of this machine, with the programs for controllers
// and for machines, and what these are to know of other clouds and to show them; nil
// leaves them what they know and have.
func localDeployer(home string, programs *agent.Programs, brief briefs, shown serve.CloudCredentials) serve.Deployer {
	log := slog.New(slog.DiscardHandler)
	known := func(notes map[string]string, shown serve.CredentialsOf, scope func() (string, error)) []serve.Cloud {
		return onThisMachine(home, programs, surroundings{Abroad: headquarters.Abroad{Notes: notes, Shown: shown, Scope: scope}, log: log})
	}
	return local.NewDeployer(local.DeployerOptions{
		Root:        home,
		Executable:  programs.Own,
		Credentials: func() (serve.Credentials, error) { return api.NewCredentials("controller") },
		Connect:     func(a serve.Access) (serve.Client, error) { return api.Connect(a) },
		Log:         log,
		Clouds: func(notes map[string]string, shown serve.CredentialsOf) []serve.Cloud {
			return known(notes, shown, func() (string, error) { return local.Identity(home) })
		},
		// The identity of the home would be made, and be there when nothing else is.
		Scouts: func(notes map[string]string, shown serve.CredentialsOf) []serve.Cloud {
			return known(notes, shown, nil)
		},
		Brief: brief,
		Shown: shown,
	})
}
