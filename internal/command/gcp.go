// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// gcpDeployer gives the deployer of a project and a region, whose controllers are told
// how other clouds are reached.
func gcpDeployer(config gcp.Config, version string, others briefs) (serve.Deployer, error) {
	m, err := ownMeans(version, google, others)
	if err != nil {
		return nil, err
	}
	return gcp.NewDeployer(gcp.DeployerOptions{Config: config, Means: m}), nil
}
