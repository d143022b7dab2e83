// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// addAWSSweeper has "go test -sweep=REGION -sweep-run=aws" end what broken runs have
// left on AWS.
func addAWSSweeper() {
	resource.AddTestSweepers("aws", &resource.Sweeper{Name: "aws", F: func(region string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
		if err != nil {
			return err
		}
		return sweep(ctx, ec2.NewFromConfig(cfg))
	}})
}

// sweep ends the instances with the mark of these tests, and then removes their
// security groups. Disks go with the instances.
func sweep(ctx context.Context, client *ec2.Client) error {
	var ids []string
	pages := ec2.NewDescribeInstancesPaginator(client, &ec2.DescribeInstancesInput{Filters: append(ours(), types.Filter{
		Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped", "shutting-down"},
	})})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				ids = append(ids, aws.ToString(i.InstanceId))
			}
		}
	}
	if len(ids) > 0 {
		if _, err := client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
			return err
		}
		patience := 10 * time.Minute
		if err := ec2.NewInstanceTerminatedWaiter(client).Wait(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids}, patience); err != nil {
			return err
		}
	}
	groups, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: ours()})
	if err != nil {
		return err
	}
	for _, g := range groups.SecurityGroups {
		if _, err := client.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: g.GroupId}); err != nil {
			return fmt.Errorf("removing the security group %s: %w", aws.ToString(g.GroupId), err)
		}
	}
	return nil
}

func TestTheSweeperEndsWhatIsOursAndNothingElse(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	client := ec2.New(ec2.Options{
		Region: "us-east-1", HTTPClient: a.Client(), Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKey, awstest.SecretKey, ""),
	})
	images, err := client.DescribeImages(t.Context(), &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: aws.String("architecture"), Values: []string{"x86_64"}}}})
	if err != nil || len(images.Images) == 0 {
		t.Fatal(images, err)
	}
	vpcs, err := client.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tag := range map[string]string{"ours": markKey, "theirs": "somebody-else"} {
		tags := []types.Tag{{Key: aws.String(tag), Value: aws.String(markValue)}}
		group, err := client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
			GroupName: aws.String(name), Description: aws.String(name), VpcId: vpcs.Vpcs[0].VpcId,
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: tags}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.RunInstances(t.Context(), &ec2.RunInstancesInput{
			ImageId: images.Images[0].ImageId, InstanceType: types.InstanceTypeT3Large, MinCount: aws.Int32(2), MaxCount: aws.Int32(2), SecurityGroupIds: []string{aws.ToString(group.GroupId)},
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tags}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	b := a.Books()
	for _, i := range b.Live() {
		if i.Tags[markKey] != "" {
			t.Errorf("%s is there still", i.ID)
		}
	}
	if len(b.Live()) != 2 || len(b.Groups) != 1 || b.Groups[0].Name != "theirs" {
		t.Errorf("there are %+v and %+v", b.Live(), b.Groups)
	}
}
