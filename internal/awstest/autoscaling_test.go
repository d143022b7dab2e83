// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"encoding/base64"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// troop is a group of instances of one launch template, both called "web".
type troop struct {
	*testing.T
	aws   *awstest.AWS
	ec2   *ec2.Client
	group *autoscaling.Client
	name  *string
}

func newTroop(t *testing.T, o awstest.Options, script string, desired int32) *troop {
	t.Helper()
	a := awstest.New(t, o)
	r := &troop{
		T: t, aws: a, ec2: direct(a, "us-east-1"), name: aws.String("web"),
		group: autoscaling.NewFromConfig(configured("us-east-1", a.Client(), "http://aws.test")),
	}
	_, err := r.ec2.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: r.name, LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
			ImageId: aws.String(imageFor(t, r.ec2, "x86_64")), InstanceType: ec2types.InstanceTypeT3Medium,
			UserData: aws.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n" + script + "\n"))),
			TagSpecifications: []ec2types.LaunchTemplateTagSpecificationRequest{{
				ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("made-by"), Value: aws.String("template")}},
			}},
		},
	})
	if err == nil {
		_, err = r.group.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{
			AutoScalingGroupName: r.name, MinSize: aws.Int32(0), MaxSize: aws.Int32(3), DesiredCapacity: &desired,
			LaunchTemplate:    &types.LaunchTemplateSpecification{LaunchTemplateName: r.name, Version: aws.String("$Latest")},
			AvailabilityZones: []string{"us-east-1a", "us-east-1b"},
			Tags:              []types.Tag{{Key: aws.String("serve:service"), Value: aws.String("web"), PropagateAtLaunch: aws.Bool(true)}},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *troop) live() []string {
	var ids []string
	for _, i := range r.aws.Books().Live() {
		ids = append(ids, i.ID)
	}
	return ids
}

func (r *troop) described() types.AutoScalingGroup {
	r.Helper()
	out, err := r.group.DescribeAutoScalingGroups(r.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"web"}})
	if err != nil {
		r.Fatal(err)
	}
	if len(out.AutoScalingGroups) == 0 {
		return types.AutoScalingGroup{}
	}
	return out.AutoScalingGroups[0]
}

func TestAGroupKeepsAsManyAsItIsToldTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newTroop(t, awstest.Options{Noticing: time.Minute}, "true", 2)
		first := r.live()
		if g := r.described(); len(first) != 2 || len(g.Instances) != 2 || *g.DesiredCapacity != 2 || g.Instances[0].LifecycleState != types.LifecycleStateInService {
			t.Fatalf("at first there are %v, described as %+v", first, g)
		}
		zones := map[string]bool{}
		for _, i := range r.aws.Books().Live() {
			zones[i.Zone] = true
			if i.Tags["serve:service"] != "web" || i.Tags["made-by"] != "template" || i.Tags["aws:autoscaling:groupName"] != "web" {
				t.Errorf("an instance has the tags %v", i.Tags)
			}
		}
		if len(zones) != 2 {
			t.Errorf("they are in %v, want one in each zone", zones)
		}
		r.aws.Kill(first[0])
		if got := r.live(); len(got) != 1 {
			t.Errorf("before the group has noticed there are %v", got)
		}
		<-time.After(90 * time.Second)
		got := r.live()
		if len(got) != 2 || slices.Contains(got, first[0]) {
			t.Errorf("after it has there are %v, of %v", got, first)
		}
		books := r.aws.Books()
		late := must(books.Instance(got[1]))
		if dead := must(books.Instance(first[0])); late.Launched.Sub(dead.Ended) != time.Minute {
			t.Errorf("it was replaced after %v", late.Launched.Sub(dead.Ended))
		}
		r.aws.Unplug(got[0])
		<-time.After(time.Minute)
		if now := r.live(); len(now) != 2 || slices.Contains(now, got[0]) {
			t.Errorf("a frozen instance is not replaced: %v, of %v", now, got)
		}
		r.aws.Exhaust(awstest.Pool{})
		r.aws.Kill(r.live()[0])
		<-time.After(2 * time.Minute)
		if now := r.live(); len(now) != 1 {
			t.Errorf("without capacity there are %v", now)
		}
		out, err := r.group.DescribeScalingActivities(t.Context(), &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: r.name})
		if err != nil || out.Activities[0].StatusCode != types.ScalingActivityStatusCodeFailed {
			t.Errorf("the group says %+v, %v", out.Activities[0], err)
		}
		r.aws.Refill(awstest.Pool{})
		<-time.After(time.Minute)
		if now := r.live(); len(now) != 2 {
			t.Errorf("with capacity again there are %v", now)
		}
		for _, n := range []int32{3, 1} {
			if _, err := r.group.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: r.name, DesiredCapacity: &n}); err != nil {
				t.Fatal(err)
			}
			if now := r.live(); len(now) != int(n) {
				t.Errorf("told to have %d there are %v", n, now)
			}
		}
	})
}

func TestAGroupIsRefreshedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newTroop(t, awstest.Options{Pending: 10 * time.Second}, "true", 2)
			<-time.After(time.Minute)
			old := r.live()
			out, err := r.ec2.CreateLaunchTemplateVersion(t.Context(), &ec2.CreateLaunchTemplateVersionInput{
				LaunchTemplateName: r.name, SourceVersion: aws.String("1"),
				LaunchTemplateData: &ec2types.RequestLaunchTemplateData{InstanceType: ec2types.InstanceTypeT3Large},
			})
			if err != nil || *out.LaunchTemplateVersion.VersionNumber != 2 {
				t.Fatalf("making version 2: %+v, %v", out, err)
			}
			preferences := &types.RefreshPreferences{MinHealthyPercentage: aws.Int32(50), InstanceWarmup: aws.Int32(30), SkipMatching: aws.Bool(true)}
			if before {
				preferences.MinHealthyPercentage, preferences.MaxHealthyPercentage = aws.Int32(100), aws.Int32(200)
			}
			start := func() error {
				_, err := r.group.StartInstanceRefresh(t.Context(), &autoscaling.StartInstanceRefreshInput{AutoScalingGroupName: r.name, Preferences: preferences})
				return err
			}
			if err := start(); err != nil {
				t.Fatal(err)
			}
			if err := start(); code(err) != "InstanceRefreshInProgress" {
				t.Errorf("refreshing twice at once: %v", err)
			}
			least, most, took := 9, 0, 0
			for ; ; took++ {
				n := len(r.live())
				least, most = min(least, n), max(most, n)
				told, err := r.group.DescribeInstanceRefreshes(t.Context(), &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: r.name})
				if err != nil {
					t.Fatal(err)
				}
				if told.InstanceRefreshes[0].Status == types.InstanceRefreshStatusSuccessful {
					break
				}
				<-time.After(time.Second)
			}
			want := [2]int{2, 2} // each is ended and replaced within the same moment
			if before {
				want = [2]int{2, 3}
			}
			if got := [2]int{least, most}; got != want || took < 80 || took > 90 {
				t.Errorf("launching first is %v: there were between %d and %d, for %d seconds", before, least, most, took)
			}
			for _, i := range r.aws.Books().Live() {
				if i.Type != "t3.large" || slices.Contains(old, i.ID) {
					t.Errorf("left is %+v", i)
				}
			}
		})
	}
}

func TestAGroupIsDeletedWithItsInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newTroop(t, awstest.Options{Stopping: 20 * time.Second}, "true", 1)
		end := func(force bool) error {
			_, err := r.group.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: r.name, ForceDelete: &force})
			return err
		}
		if err := end(false); code(err) != "ResourceInUse" {
			t.Errorf("ending a group with instances: %v", err)
		}
		if err := end(true); err != nil {
			t.Fatal(err)
		}
		if g := r.described(); aws.ToString(g.Status) != "Delete in progress" || len(g.Instances) != 1 {
			t.Errorf("it is described as %+v", g)
		}
		<-time.After(30 * time.Second)
		if _, err := r.ec2.DeleteLaunchTemplate(t.Context(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: r.name}); err != nil {
			t.Fatal(err)
		}
		if b := r.aws.Books(); r.described().Status != nil || len(b.Live())+len(b.Scaling)+len(b.Templates) > 0 {
			t.Errorf("left behind: %+v", b)
		}
	})
}

func TestAGroupIsRefusedWhatItCannotBe(t *testing.T) {
	t.Parallel()
	r := newTroop(t, awstest.Options{}, "true", 0)
	for _, row := range []struct {
		name, want string
		change     func(*autoscaling.CreateAutoScalingGroupInput)
	}{
		{"the same name", "AlreadyExists", func(in *autoscaling.CreateAutoScalingGroupInput) { in.AutoScalingGroupName = r.name }},
		{"a template that there is not", "ValidationError", func(in *autoscaling.CreateAutoScalingGroupInput) {
			in.LaunchTemplate.LaunchTemplateName = aws.String("api")
		}},
		{"no zone", "ValidationError", func(in *autoscaling.CreateAutoScalingGroupInput) { in.AvailabilityZones = nil }},
		{"more than the most", "ValidationError", func(in *autoscaling.CreateAutoScalingGroupInput) { in.DesiredCapacity = aws.Int32(2) }},
		{"a subnet that there is not", "ValidationError", func(in *autoscaling.CreateAutoScalingGroupInput) {
			in.VPCZoneIdentifier = aws.String("subnet-1,subnet-2")
		}},
		{"another name", "none", func(*autoscaling.CreateAutoScalingGroupInput) {}},
	} {
		in := &autoscaling.CreateAutoScalingGroupInput{
			AutoScalingGroupName: aws.String("api"), MinSize: aws.Int32(0), MaxSize: aws.Int32(1), AvailabilityZones: []string{"us-east-1a"},
			LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateName: r.name},
		}
		row.change(in)
		if _, err := r.group.CreateAutoScalingGroup(t.Context(), in); code(err) != row.want {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}

func TestAGroupReplacesAMachine(t *testing.T) {
	t.Parallel()
	r := newTroop(t, awstest.Options{Machines: true, Noticing: 200 * time.Millisecond}, "echo up; exec sleep 3600", 1)
	b := &booted{T: t, aws: r.aws, ec2: r.ec2, id: r.live()[0]}
	b.printed("up")
	if got := b.metadata("meta-data/autoscaling/target-lifecycle-state"); got != "InService" {
		t.Errorf("it is told that it is to be %q", got)
	}
	first := b.id
	r.aws.Kill(first)
	b.gone()
	for end := time.Now().Add(20 * time.Second); len(r.live()) == 0; <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the group does not replace its machine")
		}
	}
	b.id = r.live()[0]
	b.printed("up")
}
