// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// emulated is an AWS of ours.
type emulated struct{ *awstest.AWS }

func (emulated) patience() time.Duration { return 2 * time.Minute }
func (e emulated) end(id string)         { e.Kill(id) }
func (e emulated) take(id string)        { e.Interrupt(id, 10*time.Second) }

func (e emulated) live() []machine {
	var all []machine
	for _, i := range e.Books().Live() {
		all = append(all, machine{id: i.ID, spot: i.Market == awstest.Spot, controls: i.Tags["serve-infra:controller"] != ""})
	}
	return all
}

func (e emulated) left() []string {
	b := e.Books()
	var all []string
	for what, n := range map[string]int{
		"volumes": len(b.Volumes), "security groups": len(b.Groups), "launch templates": len(b.Templates), "addresses": len(b.Addresses),
		"Auto Scaling groups": len(b.Scaling), "instance profiles": len(b.Profiles), "buckets": len(b.Buckets),
	} {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	return all
}

func (e emulated) readable() map[string]string {
	found := map[string]string{}
	for _, i := range e.Books().Live() {
		data, err := base64.StdEncoding.DecodeString(i.UserData)
		if err != nil {
			data = []byte(i.UserData)
		}
		found["the user data of "+i.ID] = string(data)
		found["the tags of "+i.ID] = fmt.Sprint(i.Tags)
		found["the console of "+i.ID] = e.Console(i.ID)
	}
	return found
}

func (e emulated) watch() <-chan time.Time {
	launches := make(chan time.Time, 1000)
	e.Fault(func(c awstest.Call) awstest.Verdict {
		if _, spot := c.In["InstanceMarketOptions"]; c.Action == "RunInstances" && !spot {
			launches <- c.Time
		}
		return awstest.Verdict{}
	})
	return launches
}

// The tag by which what tests have made is told from all else in an account; see
// the sweeper in package aws.
const markKey, markValue = "serve-acceptance-test", "may be ended at any time"

// itself is AWS itself, in the region that SERVE_TEST_AWS names.
type itself struct {
	t   *testing.T
	ec2 *ec2.Client
}

func newItself(t *testing.T) (itself, string) {
	t.Helper()
	region := os.Getenv("SERVE_TEST_AWS")
	if region == "" {
		t.Skip("costs money; make test-aws runs it in the account of whoever does")
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region))
	if err != nil {
		t.Fatal(err)
	}
	return itself{t, ec2.NewFromConfig(cfg)}, region
}

func (itself) patience() time.Duration { return 15 * time.Minute }

// ours asks for what has the mark.
func ours() []types.Filter {
	return []types.Filter{{Name: aws.String("tag:" + markKey), Values: []string{markValue}}}
}

func (i itself) live() []machine {
	i.t.Helper()
	var all []machine
	pages := ec2.NewDescribeInstancesPaginator(i.ec2, &ec2.DescribeInstancesInput{Filters: ours()})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			i.t.Fatal(err)
		}
		for _, r := range page.Reservations {
			for _, one := range r.Instances {
				if name := one.State.Name; name == types.InstanceStateNamePending || name == types.InstanceStateNameRunning {
					all = append(all, machine{id: aws.ToString(one.InstanceId), spot: one.InstanceLifecycle == types.InstanceLifecycleTypeSpot})
				}
			}
		}
	}
	return all
}

func (i itself) end(id string) {
	i.t.Helper()
	if _, err := i.ec2.TerminateInstances(context.Background(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); err != nil {
		i.t.Fatal(err)
	}
}

func (i itself) left() []string {
	i.t.Helper()
	var all []string
	groups, err := i.ec2.DescribeSecurityGroups(context.Background(), &ec2.DescribeSecurityGroupsInput{Filters: ours()})
	if err != nil {
		i.t.Fatal(err)
	}
	for _, g := range groups.SecurityGroups {
		all = append(all, aws.ToString(g.GroupId))
	}
	volumes, err := i.ec2.DescribeVolumes(context.Background(), &ec2.DescribeVolumesInput{Filters: ours()})
	if err != nil {
		i.t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		all = append(all, fmt.Sprintf("%s (%s)", aws.ToString(v.VolumeId), v.State))
	}
	return all
}
