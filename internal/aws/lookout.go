// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
)

const (
	// lookPause is the least time between two questions about the same thing.
	lookPause = fleet.LookPause
	// maxFilter is how many values EC2 takes in one filter.
	maxFilter = 200
	// blindness is for how long an instance that was launched may not be described
	// yet: what EC2 tells is only in the end what was done.
	blindness = 5 * time.Minute
)

// describeAll gives the instances that EC2 knows of some, by their ids.
func (s *site) describeAll(ctx context.Context, ids []string) (map[string]types.Instance, error) {
	seen := make(map[string]types.Instance, len(ids))
	for some := range slices.Chunk(ids, maxFilter) {
		// By a filter, as an id that is not known yet would spoil the answer for all.
		found, err := s.describe(ctx, []types.Filter{{Name: aws.String("instance-id"), Values: some}})
		if err != nil {
			return nil, err
		}
		for _, i := range found {
			seen[aws.ToString(i.InstanceId)] = i
		}
	}
	return seen, nil
}

// describe gives the instances that the filters let through.
func (s *site) describe(ctx context.Context, by []types.Filter) ([]types.Instance, error) {
	return describe(ctx, s.ec2, by)
}

func describe(ctx context.Context, client *ec2.Client, by []types.Filter) ([]types.Instance, error) {
	var all []types.Instance
	pages := ec2.NewDescribeInstancesPaginator(client, &ec2.DescribeInstancesInput{Filters: by})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, meaning(err)
		}
		for _, r := range page.Reservations {
			all = append(all, r.Instances...)
		}
	}
	return all, nil
}
