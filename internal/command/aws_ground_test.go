// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
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

// ground is the AWS that a service is on.
type ground interface {
	// live gives the instances that are there or about to be.
	live() []awstest.Instance
	// end ends an instance as if nobody had asked for it.
	end(id string)
	// left names what there is besides instances.
	left() []string
	// patience is how long anything may take there.
	patience() time.Duration
}

// emulated is an AWS of ours.
type emulated struct{ *awstest.AWS }

func (e emulated) live() []awstest.Instance { return e.Books().Live() }
func (e emulated) end(id string)            { e.Kill(id) }
func (emulated) patience() time.Duration    { return 2 * time.Minute }

func (e emulated) left() []string {
	var all []string
	for _, v := range e.Books().Volumes {
		all = append(all, v.ID)
	}
	for _, g := range e.Books().Groups {
		all = append(all, g.ID)
	}
	return all
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

func (i itself) live() []awstest.Instance {
	i.t.Helper()
	var all []awstest.Instance
	pages := ec2.NewDescribeInstancesPaginator(i.ec2, &ec2.DescribeInstancesInput{Filters: ours()})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			i.t.Fatal(err)
		}
		for _, r := range page.Reservations {
			for _, one := range r.Instances {
				found := awstest.Instance{ID: aws.ToString(one.InstanceId), Market: awstest.OnDemand, State: string(one.State.Name)}
				if one.InstanceLifecycle == types.InstanceLifecycleTypeSpot {
					found.Market = awstest.Spot
				}
				if found.Live() {
					all = append(all, found)
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
