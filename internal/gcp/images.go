// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// imageLifetime is for how long the newest image is taken to be the newest.
const imageLifetime = time.Hour

// minDisk is the least size of a disk, in GB, if nothing is asked for.
const minDisk = 30

// The families of images that machines are of when none is named.
const (
	debian       = "projects/debian-cloud/global/images/family/debian-12"
	debianArm    = "projects/debian-cloud/global/images/family/debian-12-arm64"
	containers   = "projects/cos-cloud/global/images/family/cos-stable"
	containerArm = "projects/cos-cloud/global/images/family/cos-arm64-stable"
	// deepLearning has the drivers of accelerators, and containers that can use them.
	deepLearning = "projects/deeplearning-platform-release/global/images/family/common-cu129-ubuntu-2204-nvidia-580"
)

// machineImage is an image of Compute Engine.
type machineImage struct {
	// link is what it is called in full.
	link string
	// size is how large its disk is at least, in GB.
	size int64
	// containers is set if it is Google's system for containers and nothing else.
	containers bool
}

// imageName gives what the image of a machine is called: one that is named, or the
// newest of a family.
func imageName(r serve.Resource, t fleet.Type) string {
	boxed := strings.HasPrefix(r.ImageID, "docker:")
	switch {
	case r.ImageID != "" && !boxed:
		return r.ImageID
	case t.Accelerators != "":
		return deepLearning
	case boxed && t.Architecture == "arm64":
		return containerArm
	case boxed:
		return containers
	case t.Architecture == "arm64":
		return debianArm
	}
	return debian
}

// image gives the image of a machine.
func (j *joined) image(ctx context.Context, r serve.Resource, t fleet.Type) (machineImage, error) {
	name := imageName(r, t)
	return j.images.One(ctx, imageLifetime, name, func(ctx context.Context) (machineImage, error) { return j.findImage(ctx, name) })
}

func (j *joined) findImage(ctx context.Context, name string) (machineImage, error) {
	parts := regexp.MustCompile(`^(?:https://[^/]+/compute/v1/)?projects/([^/]+)/global/images/(family/)?([^/]+)$`).FindStringSubmatch(name)
	if parts == nil {
		return machineImage{}, fmt.Errorf("image_id: %q is neither an image (\"projects/…/global/images/…\"), nor a family of them (\"projects/…/global/images/family/…\"), nor a container image (\"docker:…\"): %w", name, serve.ErrInvalid)
	}
	var image *computepb.Image
	var err error
	if parts[2] != "" {
		image, err = j.services.images.GetFromFamily(ctx, &computepb.GetFromFamilyImageRequest{Project: parts[1], Family: parts[3]})
	} else {
		image, err = j.services.images.Get(ctx, &computepb.GetImageRequest{Project: parts[1], Image: parts[3]})
	}
	if err = meaning(err); err != nil {
		if errors.Is(err, serve.ErrNotFound) {
			err = fmt.Errorf("%w: %w", serve.ErrInvalid, err) // what was named will never be there
		}
		return machineImage{}, fmt.Errorf("finding the image %s: %w", name, err)
	}
	return machineImage{
		link: "projects/" + parts[1] + "/global/images/" + image.GetName(), size: image.GetDiskSizeGb(),
		containers: parts[1] == "cos-cloud" || strings.HasPrefix(image.GetFamily(), "cos-"),
	}, nil
}

// disk gives the boot disk of an instance in a zone: of the size that is asked for, or
// at least of minDisk, and as fast as the tier says.
func (i machineImage) disk(r serve.Resource, t fleet.Type, zone string, labels map[string]string) (*computepb.AttachedDisk, error) {
	wanted, err := serve.ParseDiskSize(r.DiskSize)
	if err != nil {
		return nil, fmt.Errorf("%w: disk_size: %w", serve.ErrInvalid, err)
	}
	size := int64(math.Ceil(wanted))
	if size == 0 {
		size = max(minDisk, i.size)
	}
	if size < i.size {
		return nil, fmt.Errorf("disk_size: the image %s needs a disk of %d GB, and not of %d: %w", i.link, i.size, size, serve.ErrInvalid)
	}
	return &computepb.AttachedDisk{
		Boot: new(true), AutoDelete: new(true),
		InitializeParams: &computepb.AttachedDiskInitializeParams{
			SourceImage: &i.link, DiskSizeGb: &size, Labels: labels, DiskType: new("zones/" + zone + "/diskTypes/" + diskType(r.DiskTier, seriesOf(t.Name))),
		},
	}, nil
}

// diskType gives the kind of disk of a tier. The newest series take one kind only,
// which has 3,000 operations and 140 MiB a second to begin with.
func diskType(tier, series string) string {
	if slices.Contains([]string{"n4", "n4d", "n4a", "c4", "c4d", "c4a", "a4", "g4", "x4", "m4"}, series) {
		return "hyperdisk-balanced"
	}
	switch strings.ToLower(tier) {
	case "low":
		return "pd-standard"
	case "high", "best", "ultra":
		return "pd-ssd"
	}
	return "pd-balanced"
}
