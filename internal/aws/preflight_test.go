// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestWhatWouldKeepMachinesFromBeingLaunched(t *testing.T) {
	t.Parallel()
	spot := true
	small := serve.Resource{Infra: "aws/us-east-1", CPUs: "2", UseSpot: &spot}
	with := func(change func(*serve.Resource)) serve.Resource {
		r := small
		change(&r)
		return r
	}
	type row struct {
		name    string
		aws     func(*awstest.AWS)
		config  aws.Config
		entry   serve.Resource
		on, off int // spot and on-demand machines; 2 and 0 unless they are given
		fleettest.Expect
	}
	for _, row := range []row{
		{name: "all is well", entry: small},
		{name: "all is well with an accelerator", entry: with(func(r *serve.Resource) { r.CPUs, r.Accelerators = "", "L4:1" })},
		{
			name: "a region the account has not", entry: with(func(r *serve.Resource) { r.Infra = "aws/ap-east-1" }),
			Expect: fleettest.Expect{Field: "infra", Says: `has not enabled the region "ap-east-1"`, Hopeless: true},
		},
		{
			name: "a region that is left out", entry: serve.Resource{Cloud: "aws", Region: "us-west-2"}, config: aws.Config{Regions: []string{"us-east-1"}},
			Expect: fleettest.Expect{Field: "region", Says: "the provider's configuration leaves it out; there are us-east-1.", Hopeless: true},
		},
		{
			name: "a type that there is not", entry: with(func(r *serve.Resource) { r.CPUs, r.InstanceType = "", "m99.large" }),
			Expect: fleettest.Expect{Field: "instance_type", Says: `AWS has no instance type "m99.large" in aws/us-east-1.`, Hopeless: true},
		},
		{
			name: "a type that is too small", entry: with(func(r *serve.Resource) { r.CPUs, r.InstanceType = "8+", "m7i.large" }),
			Expect: fleettest.Expect{Field: "instance_type", Says: `"m7i.large" has 2 processors, 8 GiB of memory and no accelerators, which is not what else is asked for.`, Hopeless: true},
		},
		{
			name: "an accelerator that there is not", entry: with(func(r *serve.Resource) { r.Accelerators = "H100:3" }),
			Expect: fleettest.Expect{Field: "accelerators", Says: "AWS has no type of machine", Hopeless: true},
		},
		{
			name: "a zone without the type", entry: with(func(r *serve.Resource) { r.Infra, r.InstanceType, r.CPUs = "aws/us-east-1/us-east-1c", "g6.xlarge", "" }),
			Expect: fleettest.Expect{Field: "infra", Says: `no such machines in the zone "us-east-1c"; there are in us-east-1a, us-east-1b.`, Hopeless: true},
		},
		{
			name: "a ceiling below all prices", entry: with(func(r *serve.Resource) { r.MaxHourlyCost = 0.001 }),
			Expect: fleettest.Expect{Field: "max_hourly_cost", Says: "No such machine costs $0.001 an hour or less at present; the cheapest is at $0.0"},
		},
		{
			name: "a ceiling below what on-demand machines cost", entry: with(func(r *serve.Resource) { r.MaxHourlyCost, r.InstanceType = 0.06, "m7i.large" }), on: 1, off: 1,
			Expect: fleettest.Expect{Says: "AWS does not sell such machines as on-demand ones in aws/us-east-1"},
		},
		{
			name: "an image that there is not", entry: with(func(r *serve.Resource) { r.ImageID = "ami-0123456789abcdef0" }),
			Expect: fleettest.Expect{Field: "image_id", Says: "Finding the image ami-0123456789abcdef0 in us-east-1", Hopeless: true},
		},
		{
			name: "a disk that is too small for the image", entry: with(func(r *serve.Resource) { r.CPUs, r.Accelerators, r.DiskSize = "", "L4:1", "50" }),
			Expect: fleettest.Expect{Field: "disk_size", Says: "needs a disk of 75 GB, and not of 50", Hopeless: true},
		},
		{
			name: "a network that there is not", entry: small, config: aws.Config{VPC: "vpc-0123456789abcdef0", Regions: []string{"us-east-1"}},
			Expect: fleettest.Expect{Says: "vpc-0123456789abcdef0", Hopeless: true},
		},
		{
			name: "no permission to find the image", entry: small, aws: func(a *awstest.AWS) { a.Forbid("ssm:GetParameter") },
			Expect: fleettest.Expect{Says: "names in us-east-1: SSM refuses GetParameter (AccessDeniedException): User: ", Hopeless: true},
		},
		{
			name: "no permission to launch", entry: small, aws: func(a *awstest.AWS) { a.Forbid("ec2:RunInstances") },
			Expect: fleettest.Expect{Says: "do not allow ec2:RunInstances in us-east-1, or to tag what it makes; the guide on AWS has the policy that is needed: UnauthorizedOperation", Hopeless: true},
		},
		{
			name: "no permission to make a security group", entry: small, aws: func(a *awstest.AWS) { a.Forbid("ec2:CreateSecurityGroup") },
			Expect: fleettest.Expect{Says: "do not allow ec2:CreateSecurityGroup in us-east-1", Hopeless: true},
		},
		{
			name: "no permission to look up quotas, which is not needed", entry: small, on: 50,
			aws: func(a *awstest.AWS) { a.Forbid("servicequotas:GetServiceQuota") },
		},
		{
			name: "a type that there is no program for", entry: with(func(r *serve.Resource) { r.CPUs, r.InstanceType = "", "m7g.large" }),
			Expect: fleettest.Expect{Field: "instance_type", Says: "There is no program for machines of linux/arm64: put that of the same release at /opt/", Hopeless: true},
		},
		{
			name: "a quota for fewer", entry: small, on: 10, off: 3,
			aws:    func(a *awstest.AWS) { a.SetQuota("us-east-1", awstest.ClassStandard, awstest.Spot, 8) },
			Expect: fleettest.Expect{Says: `There may be 10 spot machines at a time, and the quotas of the account leave room for 4 of them at most: "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests" in us-east-1 is 8 virtual processors.`},
		},
		{
			name: "a quota for none", entry: with(func(r *serve.Resource) { r.CPUs, r.Accelerators = "", "L4:1" }),
			aws:    func(a *awstest.AWS) { a.SetQuota("us-east-1", awstest.ClassG, awstest.Spot, 0) },
			Expect: fleettest.Expect{Says: "leave room for 0 of them at most", Hopeless: true},
		},
		{
			name: "a quota for none in one of two markets", entry: small, on: 1, off: 1,
			aws:    func(a *awstest.AWS) { a.SetQuota("us-east-1", awstest.ClassStandard, awstest.Spot, 0) },
			Expect: fleettest.Expect{Says: "There may be 1 spot machines at a time, and the quotas of the account leave room for 0"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := awstest.New(t, awstest.Options{})
			if row.aws != nil {
				row.aws(a)
			}
			c := aws.NewCloud(aws.CloudOptions{Known: brief(t, row.config), Transport: a.Client().Transport, Program: fleettest.Incomplete(t)})
			row.Meets(t, c, row.entry, row.on, row.off)
			if b := a.Books(); len(b.Instances)+len(b.Groups) > 0 {
				t.Errorf("something was made: %+v", b)
			}
		})
	}
}

func TestAProblemInOneOfTwoRegionsLeavesHope(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	a.Fault(func(c awstest.Call) awstest.Verdict {
		if c.Action == "DescribeVpcs" && c.Region == "us-west-2" {
			return awstest.Verdict{Err: &awstest.Error{Status: 403, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation."}}
		}
		return awstest.Verdict{}
	})
	c := aws.NewCloud(aws.CloudOptions{Known: brief(t, aws.Config{Regions: []string{"us-east-1", "us-west-2"}}), Transport: a.Client().Transport})
	found, err := c.Preflight(t.Context(), serve.Preflight{Service: "web", Entries: []serve.Resource{{Infra: "aws", CPUs: "2"}}, OnDemand: 1})
	if err != nil || len(found) != 1 || found[0].Hopeless || !strings.Contains(found[0].Message, "not authorized") {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestWithoutCredentialsNothingCanBeLookedAt(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	a.Forbid("sts:GetCallerIdentity")
	c := aws.NewCloud(aws.CloudOptions{Known: brief(t, aws.Config{}), Transport: a.Client().Transport})
	_, err := c.Preflight(t.Context(), serve.Preflight{Service: "web", Entries: []serve.Resource{{Infra: "aws"}}, OnDemand: 1})
	if !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
}
