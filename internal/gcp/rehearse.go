// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/cloudresourcemanager/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// rehearsalLifetime is for how long what the credentials allow is believed.
const rehearsalLifetime = time.Minute

// needed are the permissions that a launch takes, and the end of what it has made.
func (j *joined) needed() []string {
	all := []string{
		"compute.instances.create", "compute.instances.delete", "compute.instances.get", "compute.instances.list",
		"compute.instances.setLabels", "compute.instances.setMetadata", "compute.instances.setTags",
		"compute.disks.create", "compute.disks.setLabels", "compute.zoneOperations.get",
	}
	if !j.conf.Private {
		all = append(all, "compute.subnetworks.useExternalIp")
	}
	return all
}

// neededOfNetwork are those on the project that the network is of.
func neededOfNetwork() []string {
	return []string{
		"compute.firewalls.create", "compute.firewalls.delete", "compute.firewalls.get", "compute.firewalls.list",
		"compute.globalOperations.get", "compute.networks.updatePolicy", "compute.subnetworks.use",
	}
}

// rehearse has Google say whether the caller may do what a launch takes; where Google
// does not tell, the launch will show.
func (j *joined) rehearse(ctx context.Context, g ground) error {
	_, err := j.rehearsed.One(ctx, rehearsalLifetime, g.project, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, errors.Join(j.permitted(ctx, j.project, j.needed()), j.permitted(ctx, g.project, neededOfNetwork()))
	})
	return err
}

func (j *joined) permitted(ctx context.Context, project string, permissions []string) error {
	out, err := j.services.resources.Projects.TestIamPermissions(project, &cloudresourcemanager.TestIamPermissionsRequest{Permissions: permissions}).Context(ctx).Do()
	switch m := meaning(err); {
	case errors.Is(m, serve.ErrUnreachable), fleet.IsOver(err):
		return m
	case err != nil:
		return nil //nolint:nilerr // the API of the Resource Manager need not be enabled
	}
	lacking := slices.DeleteFunc(permissions, func(p string) bool { return slices.Contains(out.Permissions, p) })
	if len(lacking) == 0 {
		return nil
	}
	return fmt.Errorf("the credentials lack permissions in the project %s: %s; the guide on Google Cloud has the role that is needed: %w",
		project, strings.Join(lacking, ", "), serve.ErrUnauthorized)
}
