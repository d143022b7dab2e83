// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// hostTypes are what a controller runs on, by the architecture: it needs half a
// gigabyte of memory, and more CPU time only under load.
func hostTypes(architecture string) string {
	if architecture == "arm64" {
		return "t4g.small"
	}
	return "t3.small"
}

// latest is the version of the launch template that was made last.
const latest = "$Latest"

// makeTemplate has the launch template say what the controller's machine is like.
func (e *estate) makeTemplate(ctx context.Context, architecture, group string) error {
	machine, err := e.typeNamed(ctx, hostTypes(architecture))
	if err != nil {
		return err
	}
	image, err := e.image(ctx, serve.Resource{}, machine)
	if err != nil {
		return err
	}
	disk, err := image.disk(serve.Resource{})
	if err != nil {
		return err
	}
	text, err := bootstrap.HostData(e.hostOf())
	if err != nil {
		return err
	}
	in := &types.RequestLaunchTemplateData{
		ImageId: aws.String(image.id), InstanceType: types.InstanceType(machine.Name),
		UserData:           aws.String(base64.StdEncoding.EncodeToString([]byte(text))),
		IamInstanceProfile: &types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: aws.String(e.roleName())},
		MetadataOptions: &types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpTokens: types.LaunchTemplateHttpTokensStateRequired, HttpEndpoint: types.LaunchTemplateInstanceMetadataEndpointStateEnabled,
		},
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{{
			DeviceName: disk.DeviceName,
			Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{
				VolumeType: disk.Ebs.VolumeType, VolumeSize: disk.Ebs.VolumeSize, DeleteOnTermination: aws.Bool(true), Encrypted: aws.Bool(true),
			},
		}},
		// With an address of its own it can fetch its program before it takes the
		// controller's.
		NetworkInterfaces: []types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{
			DeviceIndex: aws.Int32(0), Groups: []string{group}, AssociatePublicIpAddress: aws.Bool(true), DeleteOnTermination: aws.Bool(true),
		}},
	}
	for _, kind := range []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface} {
		in.TagSpecifications = append(in.TagSpecifications, types.LaunchTemplateTagSpecificationRequest{ResourceType: kind, Tags: written(e.tags())})
	}
	_, err = e.ec2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(e.name()), LaunchTemplateData: in,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeLaunchTemplate, Tags: written(e.tags())}},
	})
	if hasCode(err, "InvalidLaunchTemplateName.AlreadyExistsException") {
		_, err = e.ec2.CreateLaunchTemplateVersion(ctx, &ec2.CreateLaunchTemplateVersionInput{
			LaunchTemplateName: aws.String(e.name()), LaunchTemplateData: in,
		})
	}
	if err != nil {
		return fmt.Errorf("making launch template %s: %w", e.name(), meaning(err))
	}
	return nil
}

// hostOf is what the machine knows at first.
func (e *estate) hostOf() bootstrap.Host {
	h := bootstrap.Host{Cloud: cloudName, Service: e.service, Region: e.region, Bucket: e.bucketName(), Endpoints: e.conf.Endpoints}
	suffix := "amazonaws.com"
	if e.partition() == "aws-cn" {
		suffix += ".cn"
	}
	h.BucketURL = fmt.Sprintf("https://%s.s3.%s.%s", h.Bucket, h.Region, suffix)
	if other := e.s3.Options().BaseEndpoint; other != nil {
		h.BucketURL = strings.TrimSuffix(*other, "/") + "/" + h.Bucket
	}
	return h
}

// hostPatience is for how long the parts of a machine are believed to become known
// to those that put them together.
const hostPatience = 2 * time.Minute

// makeGroup has there be one machine, always.
func (e *estate) makeGroup(ctx context.Context, architecture string, subnets map[string]string) error {
	kind := hostTypes(architecture)
	zones, err := e.zonesOf(ctx, []string{kind})
	if err != nil {
		return err
	}
	var in []string
	for _, zone := range slices.Sorted(maps.Keys(subnets)) {
		if slices.Contains(zones[kind], zone) {
			in = append(in, subnets[zone])
		}
	}
	if len(in) == 0 {
		return fmt.Errorf("no zone of the network has both a subnet and machines of type %s in %s: %w", kind, e.region, serve.ErrInvalid)
	}
	var tags []scaling.Tag
	for _, t := range written(e.tags()) {
		// The instances have theirs from the template.
		tags = append(tags, scaling.Tag{Key: t.Key, Value: t.Value, PropagateAtLaunch: aws.Bool(false)})
	}
	template := &scaling.LaunchTemplateSpecification{LaunchTemplateName: aws.String(e.name()), Version: aws.String(latest)}
	for began := time.Now(); ; {
		_, err = e.groups.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{
			AutoScalingGroupName: aws.String(e.name()), LaunchTemplate: template,
			MinSize: aws.Int32(1), MaxSize: aws.Int32(1), DesiredCapacity: aws.Int32(1), VPCZoneIdentifier: aws.String(strings.Join(in, ",")), Tags: tags,
		})
		if hasCode(err, "AlreadyExists", "AlreadyExistsFault") {
			_, err = e.groups.UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{
				AutoScalingGroupName: aws.String(e.name()), LaunchTemplate: template,
				MinSize: aws.Int32(1), MaxSize: aws.Int32(1), DesiredCapacity: aws.Int32(1), VPCZoneIdentifier: aws.String(strings.Join(in, ",")),
			})
		}
		if err == nil {
			// Nor is it to make another machine beside one that works, to move it to
			// another zone: there is one address.
			_, err = e.groups.SuspendProcesses(ctx, &autoscaling.SuspendProcessesInput{
				AutoScalingGroupName: aws.String(e.name()), ScalingProcesses: []string{"AZRebalance"},
			})
		}
		// A profile that was made just now may not be known to EC2 yet, a group that is
		// being deleted has to be gone, and somebody else may be changing it.
		if hasCode(err, "ValidationError", "ScalingActivityInProgress", "ResourceContention", "ResourceContentionFault") && time.Since(began) < hostPatience && turns.Sleep(ctx, lookPause) {
			continue
		}
		if err != nil {
			return fmt.Errorf("making Auto Scaling group %s: %w", e.name(), meaning(err))
		}
		return nil
	}
}

// End implements [headquarters.Estate]. The group makes another machine for one that
// is gone, so that it goes first.
func (e *estate) End(ctx context.Context) error {
	for {
		_, err := e.groups.DeleteAutoScalingGroup(ctx, &autoscaling.DeleteAutoScalingGroupInput{
			AutoScalingGroupName: aws.String(e.name()), ForceDelete: aws.Bool(true),
		})
		if hasCode(err, "ScalingActivityInProgress", "ResourceInUse", "ResourceInUseFault") && turns.Sleep(ctx, lookPause) {
			continue
		}
		// Of a group that is not there the error is one of validation.
		if err != nil && !hasCode(err, "ValidationError") {
			return fmt.Errorf("deleting Auto Scaling group %s: %w", e.name(), meaning(err))
		}
		break
	}
	// While the group is being deleted it may still have been launching.
	for {
		out, err := e.groups.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{e.name()}})
		if err != nil {
			return meaning(err)
		}
		if len(out.AutoScalingGroups) == 0 {
			break
		}
		if !turns.Sleep(ctx, lookPause) {
			return ctx.Err()
		}
	}
	hosts, err := e.hosts(ctx)
	if err != nil {
		return err
	}
	for _, id := range hosts {
		if err := e.end(ctx, id); err != nil {
			return fmt.Errorf("ending the controller's machine: %w", err)
		}
	}
	return nil
}

// hosts gives the instances that the controller runs on.
func (e *estate) hosts(ctx context.Context) ([]string, error) {
	found, err := e.existing(ctx, map[string]string{tagController: e.service})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, i := range found {
		ids = append(ids, aws.ToString(i.InstanceId))
	}
	return ids, nil
}

// removeTemplate deletes the launch template.
func (e *estate) removeTemplate(ctx context.Context) error {
	_, err := e.ec2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: aws.String(e.name())})
	if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) && !hasCode(err, "InvalidLaunchTemplateName.NotFoundException") {
		return fmt.Errorf("deleting launch template %s: %w", e.name(), err)
	}
	return nil
}
