// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// policyName is that of the one policy in a controller's role.
const policyName = "controller"

// policy is a policy document of IAM.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

func (p policy) String() string {
	p.Version = "2012-10-17"
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return string(text)
}

// launches are the actions by which a [Cloud] has machines, that cannot be limited
// to those of one service: they only look, or what they make is tagged as it is
// made.
func launches() []string {
	return []string{
		"ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup", "ec2:DescribeImages", "ec2:DescribeInstances",
		"ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeRegions", "ec2:DescribeSecurityGroups",
		"ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:RunInstances",
		"pricing:GetProducts", "ssm:GetParameter",
	}
}

// rights are what a controller may do: have machines, end those of its service,
// take its address, and use its bucket.
func (e *estate) rights() policy {
	bucket := "arn:" + e.partition() + ":s3:::" + e.bucketName()
	return policy{Statement: []statement{
		{Sid: "Machines", Effect: "Allow", Action: launches(), Resource: []string{"*"}},
		{
			Sid: "TagsOfWhatIsMade", Effect: "Allow", Action: []string{"ec2:CreateTags"}, Resource: []string{"*"},
			Condition: map[string]map[string]string{"StringLike": {"ec2:CreateAction": "*"}},
		},
		{
			Sid: "MachinesOfTheService", Effect: "Allow", Resource: []string{"*"},
			Action:    []string{"ec2:CreateTags", "ec2:DeleteSecurityGroup", "ec2:TerminateInstances"},
			Condition: map[string]map[string]string{"StringEquals": {"aws:ResourceTag/" + tagService: e.service}},
		},
		{
			Sid: "SpotForTheFirstTime", Effect: "Allow", Action: []string{"iam:CreateServiceLinkedRole"}, Resource: []string{"*"},
			Condition: map[string]map[string]string{"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
		},
		{
			Sid: "Address", Effect: "Allow", Action: []string{"ec2:AssociateAddress"}, Resource: []string{"*"},
			Condition: map[string]map[string]string{"StringEquals": {"aws:ResourceTag/" + tagController: e.service}},
		},
		{Sid: "Bucket", Effect: "Allow", Action: []string{"s3:ListBucket"}, Resource: []string{bucket}},
		{Sid: "Objects", Effect: "Allow", Action: []string{"s3:DeleteObject", "s3:GetObject", "s3:PutObject"}, Resource: []string{bucket + "/*"}},
	}}
}

// partition is the part of AWS that the region is in.
func (e *estate) partition() string {
	switch {
	case strings.HasPrefix(e.region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(e.region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// makeRole makes the role of the controller's machine, and its instance profile.
func (e *estate) makeRole(ctx context.Context) error {
	name := aws.String(e.roleName())
	var tags []types.Tag
	for _, t := range written(e.tags()) {
		tags = append(tags, types.Tag{Key: t.Key, Value: t.Value})
	}
	taken := policy{Statement: []statement{{
		Sid: "Machine", Effect: "Allow", Principal: map[string]string{"Service": "ec2.amazonaws.com"}, Action: []string{"sts:AssumeRole"},
	}}}
	_, err := e.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: name, AssumeRolePolicyDocument: aws.String(taken.String()), Tags: tags,
		Description: aws.String("Controller of a serve_service; managed by terraform-provider-serve"),
	})
	if err != nil && !hasCode(err, "EntityAlreadyExists") {
		return fmt.Errorf("making role %s: %w", *name, meaning(err))
	}
	_, err = e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String(policyName), PolicyDocument: aws.String(e.rights().String())})
	if err != nil {
		return fmt.Errorf("giving role %s its rights: %w", *name, meaning(err))
	}
	_, err = e.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name, Tags: tags})
	if err != nil && !hasCode(err, "EntityAlreadyExists") {
		return fmt.Errorf("making instance profile %s: %w", *name, meaning(err))
	}
	// A profile has one role at most, so that a second time is over the limit.
	_, err = e.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name})
	if err != nil && !hasCode(err, "LimitExceeded") {
		return fmt.Errorf("putting role %s into its instance profile: %w", *name, meaning(err))
	}
	return nil
}

// removeRole deletes the role and the instance profile.
func (e *estate) removeRole(ctx context.Context) error {
	name := aws.String(e.roleName())
	steps := []func() error{
		func() error {
			_, err := e.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: name})
			return err
		},
		func() error {
			_, err := e.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
			return err
		},
		func() error {
			_, err := e.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String(policyName)})
			return err
		},
		func() error {
			_, err := e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
			return err
		},
	}
	for _, step := range steps {
		if err := meaning(step()); err != nil && !errors.Is(err, serve.ErrNotFound) {
			return fmt.Errorf("removing role %s: %w", *name, err)
		}
	}
	return nil
}
