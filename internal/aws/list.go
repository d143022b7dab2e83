// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// List gives the instances of the service in every region where there may be some,
// until they are terminated. Those that are not running yet, or not any more, are
// not Running.
func (c *Cloud) List(ctx context.Context, service string) ([]serve.Instance, error) {
	found, err := c.list(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("listing the instances of service %q: %w", service, err)
	}
	return found, nil
}

func (c *Cloud) list(ctx context.Context, service string) ([]serve.Instance, error) {
	if c.account.Unused() {
		return nil, nil
	}
	j, err := c.account.Join(ctx)
	if err != nil {
		return nil, err
	}
	list, err := fleet.Gather(ctx, c.account, j.populated(), func(s *site) ([]serve.Instance, error) {
		all, err := s.existing(ctx, map[string]string{tagService: service, tagScope: s.scope})
		if err != nil {
			return nil, err
		}
		found := make([]serve.Instance, len(all))
		for n, i := range all {
			if found[n], err = s.instanceOf(i); err != nil {
				return nil, err
			}
		}
		return found, nil
	})
	slices.SortFunc(list, func(a, b serve.Instance) int { return strings.Compare(a.ID, b.ID) })
	return list, err
}

// existing gives the instances with all of the tags that are not terminated.
func (s *site) existing(ctx context.Context, tags map[string]string) ([]types.Instance, error) {
	return s.describe(ctx, append(filters(tags), types.Filter{Name: aws.String("instance-state-name"), Values: []string{
		string(types.InstanceStateNamePending), string(types.InstanceStateNameRunning), string(types.InstanceStateNameStopping),
		string(types.InstanceStateNameStopped), string(types.InstanceStateNameShuttingDown),
	}}))
}
