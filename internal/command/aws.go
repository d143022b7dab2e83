// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// awsDeployer gives the deployer of an account and a region, whose controllers are told
// how other clouds are reached.
func awsDeployer(config aws.Config, version string, others briefs) (serve.Deployer, error) {
	m, err := ownMeans(version, amazon, others)
	if err != nil {
		return nil, err
	}
	return aws.NewDeployer(aws.DeployerOptions{Config: config, Means: m}), nil
}
