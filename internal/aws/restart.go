// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Restarter = (*Cloud)(nil)

// Restart gives the agent on the instance of req.Ref another order, and then notes
// the revision in a tag.
func (c *Cloud) Restart(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	return c.Fleet.Restart(ctx, req, &launch{cloud: c, req: req})
}

// Running gives the instance of the replica; serve.ErrNotFound when there is none
// that runs.
func (l *launch) Running(ctx context.Context) (fleet.Up, error) {
	var err error
	if l.site, err = l.cloud.account.In(ctx, l.req.Offer.Location.Region); err != nil {
		return fleet.Up{}, err
	}
	found, err := l.existing(ctx, l.refTags(l.req.Ref))
	if err != nil {
		return fleet.Up{}, err
	}
	for _, i := range found {
		if stateOf(i) == types.InstanceStateNameRunning && l.hostOf(i) != "" {
			l.id = aws.ToString(i.InstanceId)
			return l.up(i)
		}
	}
	return fleet.Up{}, fmt.Errorf("it has no instance that runs: %w", serve.ErrNotFound)
}

// Revise has an instance be one of the revision that it runs, and waits until EC2
// says so.
func (l *launch) Revise(ctx context.Context, i serve.Instance) (serve.Instance, error) {
	now := l.req
	now.Offer = i.Offer // what it costs is what it was launched for
	tags, err := l.replicaTags(now)
	if err != nil {
		return serve.Instance{}, err
	}
	_, err = l.ec2.CreateTags(ctx, &ec2.CreateTagsInput{
		Resources: []string{i.ID}, Tags: written(map[string]string{tagDetails: tags[tagDetails]}),
	})
	if err != nil {
		return serve.Instance{}, fmt.Errorf("noting the revision of instance %s: %w", i.ID, meaning(err))
	}
	_, err = l.Until(ctx, i.ID, func(seen *types.Instance) (bool, error) {
		if seen == nil {
			return false, nil
		}
		var err error
		i, err = l.instanceOf(*seen)
		return i.Revision == l.req.Revision, err
	})
	return i, err
}
