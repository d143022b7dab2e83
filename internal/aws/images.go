// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// imageLifetime is for how long the newest image is taken to be the newest.
const imageLifetime = time.Hour

// minDisk is the least size of a disk, in GiB, if nothing is asked for.
const minDisk = 30

// machineImage is an AMI.
type machineImage struct {
	id string
	// device is what its root disk is called, and size how large that is, in GiB.
	device string
	size   int32
}

// image gives the image of a machine: one that is named, or the newest Amazon
// Linux, with the drivers of accelerators where there are some.
func (s *site) image(ctx context.Context, r serve.Resource, m fleet.Type) (machineImage, error) {
	name := r.ImageID
	if name == "" || strings.HasPrefix(name, "docker:") {
		// Public parameters of the Systems Manager, which name it for this region.
		name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-" + awsArchitecture(m.Architecture)
		if m.Accelerators != "" {
			name = "/aws/service/deeplearning/ami/" + awsArchitecture(m.Architecture) + "/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"
		}
	}
	return s.images.One(ctx, imageLifetime, name, func(ctx context.Context) (machineImage, error) { return s.findImage(ctx, name) })
}

func (s *site) findImage(ctx context.Context, name string) (machineImage, error) {
	id := name
	switch {
	case strings.HasPrefix(name, "/"):
		out, err := s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(name)})
		if err != nil {
			return machineImage{}, fmt.Errorf("finding the image that %s names in %s: %w", name, s.region, meaning(err))
		}
		id = aws.ToString(out.Parameter.Value)
	case !strings.HasPrefix(name, "ami-"):
		return machineImage{}, fmt.Errorf("image_id: %q is neither an AMI (\"ami-…\") nor a container image (\"docker:…\"): %w", name, serve.ErrInvalid)
	}
	out, err := s.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
	if err != nil {
		return machineImage{}, fmt.Errorf("finding the image %s in %s: %w", id, s.region, invalid(meaning(err)))
	}
	if len(out.Images) == 0 {
		return machineImage{}, fmt.Errorf("there is no image %s in %s: %w", id, s.region, serve.ErrInvalid)
	}
	image := machineImage{id: id, device: aws.ToString(out.Images[0].RootDeviceName)}
	for _, d := range out.Images[0].BlockDeviceMappings {
		if aws.ToString(d.DeviceName) == image.device && d.Ebs != nil {
			image.size = aws.ToInt32(d.Ebs.VolumeSize)
		}
	}
	return image, nil
}

// invalid takes what was named and is not there for what will never be.
func invalid(err error) error {
	if strings.Contains(fmt.Sprint(err), "InvalidAMIID") {
		return fmt.Errorf("%w: %w", serve.ErrInvalid, err)
	}
	return err
}

// disk gives the root disk of an instance: of the size that is asked for, or at
// least of minDisk, and as fast as the tier says.
func (i machineImage) disk(r serve.Resource) (types.BlockDeviceMapping, error) {
	wanted, err := serve.ParseDiskSize(r.DiskSize)
	if err != nil {
		return types.BlockDeviceMapping{}, fmt.Errorf("%w: disk_size: %w", serve.ErrInvalid, err)
	}
	size := int32(wanted)
	if wanted == 0 {
		size = max(minDisk, i.size)
	}
	if size < i.size {
		return types.BlockDeviceMapping{}, fmt.Errorf("disk_size: the image %s needs a disk of %d GB, and not of %d: %w", i.id, i.size, size, serve.ErrInvalid)
	}
	ebs := &types.EbsBlockDevice{VolumeType: types.VolumeTypeGp3, VolumeSize: aws.Int32(size), DeleteOnTermination: aws.Bool(true), Encrypted: aws.Bool(true)}
	// A disk of this kind has 3,000 operations and 125 MiB a second to begin with.
	switch strings.ToLower(r.DiskTier) {
	case "high", "best":
		ebs.Iops, ebs.Throughput = aws.Int32(6000), aws.Int32(500)
	case "ultra":
		ebs.Iops, ebs.Throughput = aws.Int32(16000), aws.Int32(1000)
	}
	return types.BlockDeviceMapping{DeviceName: aws.String(i.device), Ebs: ebs}, nil
}
