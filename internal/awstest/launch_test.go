// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

func TestWhatALaunchIsRefusedFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		prepare func(*awstest.AWS)
		change  func(*ec2.RunInstancesInput)
		want    string
	}{
		{name: "what can be had is had", want: "none"},
		{name: "spot can be had", change: inSpot, want: "none"},
		{
			name:    "a pool that is exhausted has nothing",
			prepare: func(a *awstest.AWS) { a.Exhaust(awstest.Pool{Type: "t3.medium"}) },
			want:    "InsufficientInstanceCapacity",
		}, {
			name:    "a launch that names no zone takes one that has something",
			prepare: func(a *awstest.AWS) { a.Exhaust(awstest.Pool{Zone: "us-east-1a"}) },
			want:    "none",
		}, {
			name:    "a launch that names its zone does not",
			prepare: func(a *awstest.AWS) { a.Exhaust(awstest.Pool{Zone: "us-east-1a"}) },
			change:  inZone("us-east-1a"),
			want:    "InsufficientInstanceCapacity",
		}, {
			name:    "spot may be exhausted while machines on demand are not",
			prepare: func(a *awstest.AWS) { a.Exhaust(awstest.Pool{Market: awstest.Spot}) },
			want:    "none",
		}, {
			name: "a pool that was refilled has something again",
			prepare: func(a *awstest.AWS) {
				a.Exhaust(awstest.Pool{Type: "t3.medium"})
				a.Refill(awstest.Pool{Type: "t3.medium"})
			},
			want: "none",
		}, {
			name:    "nobody gets more vCPUs on demand than their quota",
			prepare: func(a *awstest.AWS) { a.SetQuota("us-east-1", awstest.ClassStandard, awstest.OnDemand, 1) },
			want:    "VcpuLimitExceeded",
		}, {
			name:    "nor in spot",
			prepare: func(a *awstest.AWS) { a.SetQuota("us-east-1", awstest.ClassStandard, awstest.Spot, 1) },
			change:  inSpot,
			want:    "MaxSpotInstanceCountExceeded",
		}, {
			name:    "spot costs what it costs",
			prepare: func(a *awstest.AWS) { a.SetPrice("us-east-1b", "t3.medium", 0.03) },
			change: func(in *ec2.RunInstancesInput) {
				inSpot(in)
				in.InstanceMarketOptions.SpotOptions.MaxPrice = aws.String("0.02")
				inZone("us-east-1b")(in)
			},
			want: "SpotMaxPriceTooLow",
		}, {
			name:   "a type that nobody makes cannot be had",
			change: func(in *ec2.RunInstancesInput) { in.InstanceType = "t99.medium" },
			want:   "InvalidParameterValue",
		}, {
			name: "a zone has not every type",
			change: func(in *ec2.RunInstancesInput) {
				in.InstanceType = "p4d.24xlarge"
				inZone("us-east-1b")(in)
			},
			want: "Unsupported",
		}, {
			name:   "an image is of one architecture",
			change: func(in *ec2.RunInstancesInput) { in.InstanceType = "m7g.large" },
			want:   "InvalidParameterValue",
		}, {
			name:   "an image is of one region",
			change: func(in *ec2.RunInstancesInput) { in.ImageId = aws.String("ami-0123456789abcdef0") },
			want:   "InvalidAMIID.NotFound",
		}, {
			name: "user data is at most 16 KB",
			change: func(in *ec2.RunInstancesInput) {
				in.UserData = aws.String(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 16385))))
			},
			want: "InvalidParameterValue",
		}, {
			name:   "user data is base64",
			change: func(in *ec2.RunInstancesInput) { in.UserData = aws.String("#cloud-config") },
			want:   "InvalidUserData.Malformed",
		}, {
			name:   "a subnet exists",
			change: func(in *ec2.RunInstancesInput) { in.SubnetId = aws.String("subnet-0123456789abcdef0") },
			want:   "InvalidSubnetID.NotFound",
		}, {
			name:   "a security group exists",
			change: func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-0123456789abcdef0"} },
			want:   "InvalidGroup.NotFound",
		}, {
			name: "a disk is no smaller than its image",
			change: func(in *ec2.RunInstancesInput) {
				in.BlockDeviceMappings = []types.BlockDeviceMapping{{
					DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(4)},
				}}
			},
			want: "InvalidBlockDeviceMapping",
		}, {
			name: "tags that begin with aws: are AWS' own",
			change: func(in *ec2.RunInstancesInput) {
				in.TagSpecifications[0].Tags[0].Key = aws.String("aws:service")
			},
			want: "InvalidParameterValue",
		}, {
			name:   "a dry run runs nothing",
			change: func(in *ec2.RunInstancesInput) { in.DryRun = aws.Bool(true) },
			want:   "DryRunOperation",
		}, {
			name:    "a dry run tells what is not allowed",
			prepare: func(a *awstest.AWS) { a.Forbid("ec2:RunInstances") },
			change:  func(in *ec2.RunInstancesInput) { in.DryRun = aws.Bool(true) },
			want:    "UnauthorizedOperation",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := awstest.New(t, awstest.Options{})
			c := direct(a, "us-east-1")
			if row.prepare != nil {
				row.prepare(a)
			}
			_, err := c.RunInstances(t.Context(), request(t, c, row.change))
			if code(err) != row.want {
				t.Errorf("got %v, want %s", err, row.want)
			}
			live := 0
			if row.want == "none" {
				live = 1
			}
			if got := a.Books().Live(); len(got) != live {
				t.Errorf("there are %d instances, want %d", len(got), live)
			}
		})
	}
}

func TestAnInstanceIsDescribedAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	c := direct(a, "us-west-2")
	id := run(t, c, func(in *ec2.RunInstancesInput) {
		inSpot(in)
		inZone("us-west-2c")(in)
		in.ClientToken = aws.String("token")
		in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpTokens: types.HttpTokensStateRequired}
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{
			DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(50), VolumeType: types.VolumeTypeGp3},
		}}
	})
	i, err := described(t, c, id)
	if err != nil {
		t.Fatalf("describing: %v", err)
	}
	for what, ok := range map[string]bool{
		"state":     i.State.Name == types.InstanceStateNameRunning && *i.State.Code == 16,
		"zone":      *i.Placement.AvailabilityZone == "us-west-2c",
		"lifecycle": i.InstanceLifecycle == types.InstanceLifecycleTypeSpot && strings.HasPrefix(*i.SpotInstanceRequestId, "sir-"),
		"tags":      len(i.Tags) == 1 && *i.Tags[0].Key == "serve:service" && *i.Tags[0].Value == "web",
		"metadata":  i.MetadataOptions.HttpTokens == types.HttpTokensStateRequired,
		"disk":      len(i.BlockDeviceMappings) == 1 && *i.BlockDeviceMappings[0].Ebs.DeleteOnTermination,
		"addresses": *i.PrivateIpAddress != "" && *i.PublicIpAddress != "" && *i.NetworkInterfaces[0].PrivateIpAddress == *i.PrivateIpAddress,
		"token":     *i.ClientToken == "token",
		"processor": *i.CpuOptions.CoreCount == 1 && *i.CpuOptions.ThreadsPerCore == 2,
	} {
		if !ok {
			t.Errorf("the %s of the instance are not what was asked for: %+v", what, i)
		}
	}
	books := a.Books()
	if len(books.Volumes) != 1 || books.Volumes[0].GiB != 50 || books.Volumes[0].Tags["serve:service"] != "web" {
		t.Errorf("the volumes are %+v, want one of 50 GiB with its tag", books.Volumes)
	}
	if entry, ok := books.Instance(id); !ok || entry.UserData != "#cloud-config\n" || entry.Market != awstest.Spot {
		t.Errorf("the books have %+v", entry)
	}
	if _, err := described(t, direct(a, "us-east-1"), id); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("another region knows the instance: %v", err)
	}
}

func TestAllOfAWSCanBeLost(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	c := direct(a, "us-east-1")
	id := run(t, c, nil)
	a.Down(true)
	if _, err := described(t, c, id); code(err) != "Unavailable" {
		t.Errorf("lost, it says %v", err)
	}
	if live := a.Books().Live(); len(live) > 0 {
		t.Errorf("lost, it still has %+v", live)
	}
	a.Down(false)
	if i, err := described(t, c, id); err != nil || i.State.Name != types.InstanceStateNameTerminated {
		t.Errorf("back again, it says %v of what it had, %v", i.State, err)
	}
	if id = run(t, c, nil); len(a.Books().Live()) != 1 {
		t.Errorf("back again, it does not have the new instance %s", id)
	}
}

func TestInstancesAreFoundByFilter(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	c := direct(a, "us-east-1")
	tag := func(key, value string) func(*ec2.RunInstancesInput) {
		return func(in *ec2.RunInstancesInput) {
			in.TagSpecifications[0].Tags = []types.Tag{{Key: aws.String(key), Value: aws.String(value)}}
			in.ClientToken = aws.String(value)
		}
	}
	one, two, gone := run(t, c, tag("serve:service", "a/1")), run(t, c, tag("serve:service", "a/2")), run(t, c, tag("other", "b"))
	if _, err := c.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{gone}}); err != nil {
		t.Fatalf("terminating: %v", err)
	}
	for _, row := range []struct {
		name    string
		filters []types.Filter
		want    []string
	}{
		{"no filter leaves all, those too that are gone for less than an hour", nil, []string{one, two, gone}},
		{"the value of a tag", []types.Filter{filter("tag:serve:service", "a/1")}, []string{one}},
		{"any of several values", []types.Filter{filter("tag:serve:service", "a/1", "a/2")}, []string{one, two}},
		{"a pattern", []types.Filter{filter("tag:serve:service", "a*")}, []string{one, two}},
		{"the key of a tag", []types.Filter{filter("tag-key", "other")}, []string{gone}},
		{"the state", []types.Filter{filter("instance-state-name", "pending", "running")}, []string{one, two}},
		{"the client token", []types.Filter{filter("client-token", "a/2")}, []string{two}},
		{"the id", []types.Filter{filter("instance-id", two)}, []string{two}},
		{"all filters at once", []types.Filter{filter("instance-id", two), filter("client-token", "a/1")}, nil},
		{"what is gone is in no network", []types.Filter{filter("vpc-id", "vpc-*")}, []string{one, two}},
	} {
		out, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: row.filters})
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		var got []string
		for _, r := range out.Reservations {
			got = append(got, *r.Instances[0].InstanceId)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
	_, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{filter("colour", "blue")}})
	if code(err) != "InvalidParameterValue" {
		t.Errorf("a filter that EC2 does not know: %v", err)
	}
}

func TestInstancesComeInPages(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	c := direct(a, "us-east-1")
	want := map[string]bool{}
	for range 12 {
		want[run(t, c, nil)] = true
	}
	pages := 0
	for p := ec2.NewDescribeInstancesPaginator(c, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)}); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatalf("turning the page: %v", err)
		}
		for _, r := range out.Reservations {
			delete(want, *r.Instances[0].InstanceId)
		}
	}
	if pages != 3 || len(want) != 0 {
		t.Errorf("in %d pages %d instances were missing, want none in 3", pages, len(want))
	}
	for name, in := range map[string]*ec2.DescribeInstancesInput{
		"InvalidParameterValue":       {MaxResults: aws.Int32(4)},
		"InvalidParameterCombination": {MaxResults: aws.Int32(5), InstanceIds: []string{"i-0123456789abcdef0"}},
		"InvalidInstanceID.NotFound":  {InstanceIds: []string{"i-0123456789abcdef0"}},
		"InvalidInstanceID.Malformed": {InstanceIds: []string{"instance"}},
		"InvalidNextToken":            {NextToken: aws.String("x")},
	} {
		if _, err := c.DescribeInstances(t.Context(), in); code(err) != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}
