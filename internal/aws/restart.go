// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ serve.Restarter = (*Cloud)(nil)

// Restart gives the agent on the instance of req.Ref another order, and then notes
// the revision in a tag. When somebody dies in between, the next one finds an agent
// that has the order already.
func (c *Cloud) Restart(ctx context.Context, req serve.LaunchRequest) (serve.Instance, error) {
	ctx, leave, err := c.machines.Enter(ctx, req.Ref)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("restarting replica %d: %w", req.Ref.Replica, err)
	}
	defer leave()
	l := launch{cloud: c, req: req}
	i, err := l.restart(ctx)
	if err != nil {
		return serve.Instance{}, fmt.Errorf("restarting replica %d: %w", req.Ref.Replica, err)
	}
	return i, nil
}

func (l *launch) restart(ctx context.Context) (serve.Instance, error) {
	var err error
	if l.site, err = l.cloud.account.in(ctx, l.req.Offer.Location.Region); err != nil {
		return serve.Instance{}, err
	}
	up, i, err := l.running(ctx)
	if err != nil || i.Revision == l.req.Revision {
		return i, err
	}
	if err := l.furnish(ctx, i, up); err != nil {
		if _, _, gone := l.running(ctx); errors.Is(gone, serve.ErrNotFound) {
			return serve.Instance{}, gone
		}
		if errors.Is(err, serve.ErrNotFound) {
			err = errors.New(err.Error()) // something is not there, but the machine is
		}
		return serve.Instance{}, err
	}
	return l.retag(ctx, i)
}

// running gives the instance of the replica; serve.ErrNotFound when there is none
// that runs.
func (l *launch) running(ctx context.Context) (types.Instance, serve.Instance, error) {
	found, err := l.existing(ctx, l.refTags(l.req.Ref))
	if err != nil {
		return types.Instance{}, serve.Instance{}, err
	}
	for _, up := range found {
		if stateOf(up) == types.InstanceStateNameRunning && l.hostOf(up) != "" {
			l.id = aws.ToString(up.InstanceId)
			i, err := l.instanceOf(up)
			return up, i, err
		}
	}
	return types.Instance{}, serve.Instance{}, fmt.Errorf("it has no instance that runs: %w", serve.ErrNotFound)
}

// retag has an instance be one of the revision that it runs, and waits until EC2
// says so.
func (l *launch) retag(ctx context.Context, i serve.Instance) (serve.Instance, error) {
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
	_, err = l.until(ctx, i.ID, func(seen *types.Instance) (bool, error) {
		if seen == nil {
			return false, nil
		}
		var err error
		i, err = l.instanceOf(*seen)
		return i.Revision == l.req.Revision, err
	})
	if err != nil {
		return serve.Instance{}, err
	}
	l.cloud.renew(sighting{l.region, i})
	return i, nil
}

// renew has an instance be known as it is now. Who listens to it goes on.
func (c *Cloud) renew(s sighting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[s.Ref].ID == s.ID {
		c.live[s.Ref] = s
		return
	}
	c.keep(s)
}
