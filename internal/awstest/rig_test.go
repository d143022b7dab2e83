// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/machinetest"
)

func TestMain(m *testing.M) {
	if machinetest.Be() {
		return
	}
	m.Run()
}

// configured is a configuration of the SDK for a region. Nothing is tried again,
// so that tests see what is answered.
func configured(region string, client *http.Client, endpoint string) aws.Config {
	return aws.Config{
		Region: region, HTTPClient: client, BaseEndpoint: aws.String(endpoint), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKey, awstest.SecretKey, ""),
	}
}

// direct gives a client of EC2 that needs no network.
func direct(a *awstest.AWS, region string) *ec2.Client {
	return ec2.NewFromConfig(configured(region, a.Client(), "http://aws.test"))
}

// imageFor asks EC2 for the image of Amazon Linux for an architecture.
func imageFor(t *testing.T, c *ec2.Client, arch string) string {
	t.Helper()
	out, err := c.DescribeImages(t.Context(), &ec2.DescribeImagesInput{
		Owners:  []string{"amazon"},
		Filters: []types.Filter{filter("name", "al2023-*"), filter("architecture", arch)},
	})
	if err != nil || len(out.Images) != 1 {
		t.Fatalf("finding an image: %v, %v", out, err)
	}
	return *out.Images[0].ImageId
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// request asks for one t3.medium; change makes something else of it.
func request(t *testing.T, c *ec2.Client, change func(*ec2.RunInstancesInput)) *ec2.RunInstancesInput {
	t.Helper()
	in := &ec2.RunInstancesInput{
		ImageId: aws.String(imageFor(t, c, "x86_64")), InstanceType: types.InstanceTypeT3Medium,
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceInitiatedShutdownBehavior: types.ShutdownBehaviorTerminate,
		UserData: aws.String(base64.StdEncoding.EncodeToString([]byte("#cloud-config\n"))),
		TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("serve:service"), Value: aws.String("web")}}},
			{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: aws.String("serve:service"), Value: aws.String("web")}}},
		},
	}
	if change != nil {
		change(in)
	}
	return in
}

// run launches what request asks for, and gives its id.
func run(t *testing.T, c *ec2.Client, change func(*ec2.RunInstancesInput)) string {
	t.Helper()
	out, err := c.RunInstances(t.Context(), request(t, c, change))
	if err != nil {
		t.Fatalf("launching: %v", err)
	}
	return *out.Instances[0].InstanceId
}

func inSpot(in *ec2.RunInstancesInput) {
	in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{
		MarketType: types.MarketTypeSpot,
		SpotOptions: &types.SpotMarketOptions{
			SpotInstanceType:             types.SpotInstanceTypeOneTime,
			InstanceInterruptionBehavior: types.InstanceInterruptionBehaviorTerminate,
		},
	}
}

func inZone(zone string) func(*ec2.RunInstancesInput) {
	return func(in *ec2.RunInstancesInput) { in.Placement = &types.Placement{AvailabilityZone: aws.String(zone)} }
}

// described gives an instance as EC2 describes it, or fails with what it says.
func described(t *testing.T, c *ec2.Client, id string) (types.Instance, error) {
	t.Helper()
	out, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return types.Instance{}, err
	}
	return out.Reservations[0].Instances[0], nil
}

// code is the error code of AWS in err, "none" if there is no error, and the
// error itself if it is another.
func code(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}
