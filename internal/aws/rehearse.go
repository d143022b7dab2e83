// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// rehearse has EC2 say whether it would let the caller do what a launch takes: it
// has a flag by which nothing is done.
func (s *site) rehearse(ctx context.Context, f *fleet.Flight, g ground, image machineImage, offers []serve.Offer) error {
	tags := written(s.serviceTags(f.Service))
	_, err := s.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		DryRun: aws.Bool(true), GroupName: aws.String(s.groupName(f.Service)), VpcId: aws.String(g.vpc), Description: aws.String("Rehearsal"),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: tags}},
	})
	if err := rehearsed("ec2:CreateSecurityGroup", s.region, err); err != nil {
		return err
	}
	for _, market := range f.Markets() {
		i := slices.IndexFunc(offers, func(o serve.Offer) bool { return o.Market == market })
		if i < 0 {
			continue
		}
		in := &ec2.RunInstancesInput{
			DryRun: aws.Bool(true), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			ImageId: aws.String(image.id), InstanceType: types.InstanceType(offers[i].InstanceType), SubnetId: aws.String(g.subnets[offers[i].Location.Zone]),
			MetadataOptions: &types.InstanceMetadataOptionsRequest{HttpTokens: types.HttpTokensStateRequired},
		}
		tagged := []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface}
		if market == serve.Spot {
			tagged = append(tagged, types.ResourceTypeSpotInstancesRequest)
			in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: types.MarketTypeSpot}
		}
		for _, kind := range tagged {
			in.TagSpecifications = append(in.TagSpecifications, types.TagSpecification{ResourceType: kind, Tags: tags})
		}
		_, err := s.ec2.RunInstances(ctx, in)
		if err := rehearsed("ec2:RunInstances", s.region, err); err != nil {
			return err
		}
	}
	return nil
}

// rehearsed reads the answer to a rehearsal, which is an error in any case. What
// EC2 finds wrong with a request that is only like the later one does not count.
func rehearsed(action, region string, err error) error {
	switch m := meaning(err); {
	case errors.Is(m, serve.ErrUnauthorized):
		// Its own words are of little use: what follows them is in code.
		why := m
		if fault, ok := errors.AsType[smithy.APIError](err); ok {
			why = fmt.Errorf("%s: %w", fault.ErrorCode(), serve.ErrUnauthorized)
		}
		return fmt.Errorf("the credentials do not allow %s in %s, or to tag what it makes; the guide on AWS has the policy that is needed: %w", action, region, why)
	case errors.Is(m, serve.ErrUnreachable), fleet.IsOver(err):
		return m
	}
	return nil
}
