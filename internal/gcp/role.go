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

	"google.golang.org/api/iam/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// hostPatience is for how long what was made just now is believed to become known to
// those that are to use it.
const hostPatience = 2 * time.Minute

// right is a role of the project that a controller is given, and on what condition.
type right struct {
	// end is that of the role's name, behind what is the controller's.
	end         string
	permissions []string
	// condition is in Google's language for such; empty is none.
	condition string
}

// rights are what a controller may do in the project: have machines, and end and change
// those of its service, which are those that a condition holds for. What cannot be limited
// to those only looks, or is about what it makes. What it may do in its bucket is in
// objectRole.
func rights(ours string) []right {
	return []right{
		{end: "looks", permissions: []string{
			"compute.acceleratorTypes.list", "compute.disks.create", "compute.disks.setLabels", "compute.firewalls.create", "compute.firewalls.delete",
			"compute.firewalls.get", "compute.firewalls.list", "compute.globalOperations.get", "compute.images.get", "compute.images.getFromFamily",
			"compute.images.useReadOnly", "compute.instances.create", "compute.instances.get",
			"compute.instances.list", "compute.machineTypes.list", "compute.networks.get", "compute.networks.updatePolicy", "compute.regions.list", "compute.subnetworks.get", "compute.subnetworks.use", "compute.subnetworks.useExternalIp",
			"compute.zoneOperations.get", "compute.zoneOperations.list",
		}},
		{end: "ends", permissions: []string{
			"compute.instances.delete", "compute.instances.setLabels", "compute.instances.setMetadata", "compute.instances.setTags",
		}, condition: ours},
	}
}

// ours is the condition that something is an instance of the service: by how its name
// ends, as by how it begins it could be one of a service whose name goes on after that of
// this one.
func (e *estate) ours() (string, error) {
	scope, err := headquarters.Scope(e.region)()
	return fmt.Sprintf(`resource.name.endsWith(%q)`, nameEnd(scope, e.service)), err
}

// objectRole is Google's own role for whoever reads and writes the objects of a bucket.
const objectRole = "roles/storage.objectUser"

// makeRole makes the service account of the controller's machine, and gives it its
// rights.
func (e *estate) makeRole(ctx context.Context) error {
	_, err := e.services.iam.Projects.ServiceAccounts.Create("projects/"+e.project, &iam.CreateServiceAccountRequest{
		AccountId: e.accountID(), ServiceAccount: &iam.ServiceAccount{
			DisplayName: "Controller of " + e.service, Description: "Controller of a serve_service; managed by terraform-provider-serve",
		},
	}).Context(ctx).Do()
	if err = meaning(err); err != nil && !errors.Is(err, serve.ErrConflict) {
		return fmt.Errorf("making the service account %s: %w", e.accountEmail(), err)
	}
	ours, err := e.ours()
	if err != nil {
		return err
	}
	roles := map[string]string{} // conditions, by the names of roles
	for _, r := range rights(ours) {
		name, err := e.makeOneRole(ctx, r)
		if err != nil {
			return err
		}
		roles[name] = r.condition
	}
	if err := e.grant(ctx, roles); err != nil {
		return fmt.Errorf("giving the service account %s its rights: %w", e.accountEmail(), err)
	}
	if err := e.grantObjects(ctx); err != nil {
		return fmt.Errorf("giving the service account %s its bucket: %w", e.accountEmail(), err)
	}
	return nil
}

// roleGenerations bounds how often a role is deleted and made again within the month in
// which nothing else can have the name of one that was deleted.
const roleGenerations = 5

// rolesBegin is how the names of the controller's roles begin.
func (e *estate) rolesBegin() string {
	return "projects/" + e.project + "/roles/serve_" + strings.ReplaceAll(e.service, "-", "_") + "_" + e.token()[:8] + "_"
}

// roleNames gives the names that a role may have, the usual one first.
func (e *estate) roleNames(r right) []string {
	names := []string{e.rolesBegin() + r.end}
	for n := 2; n <= roleGenerations; n++ {
		names = append(names, fmt.Sprint(names[0], n))
	}
	return names
}

// makeOneRole has there be a role that holds what it should, and gives its name.
func (e *estate) makeOneRole(ctx context.Context, r right) (string, error) {
	all := e.services.iam.Projects.Roles
	role := &iam.Role{
		Title: "Controller of " + e.service + " (" + r.end + ")", Description: "Controller of a serve_service; managed by terraform-provider-serve",
		IncludedPermissions: r.permissions, Stage: "GA",
	}
	var err error
	for _, name := range e.roleNames(r) {
		var there *iam.Role
		there, err = all.Get(name).Context(ctx).Do()
		if errors.Is(meaning(err), serve.ErrNotFound) {
			_, id, _ := strings.Cut(name, "/roles/")
			_, err = all.Create("projects/"+e.project, &iam.CreateRoleRequest{RoleId: id, Role: role}).Context(ctx).Do()
			if errors.Is(meaning(err), serve.ErrInvalid) {
				continue // it was deleted, and its name is not free yet
			}
			if !errors.Is(meaning(err), serve.ErrConflict) {
				there = role
			}
		}
		if err == nil && there.Deleted {
			_, err = all.Undelete(name, &iam.UndeleteRoleRequest{}).Context(ctx).Do()
		}
		if err == nil && !same(there.IncludedPermissions, r.permissions) {
			_, err = all.Patch(name, role).Context(ctx).Do()
		}
		if err == nil || errors.Is(meaning(err), serve.ErrConflict) { // somebody else does the same
			return name, nil
		}
		break
	}
	return "", fmt.Errorf("making the role %s: %w", e.roleNames(r)[0], meaning(err))
}

// same reports whether two lists have the same in them.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// removeRole takes the rights of the service account away, and deletes it with its
// roles.
func (e *estate) removeRole(ctx context.Context) error {
	if err := e.grant(ctx, nil); err != nil {
		return fmt.Errorf("taking the rights of the service account %s away: %w", e.accountEmail(), err)
	}
	for _, r := range rights("") {
		for _, name := range e.roleNames(r) {
			there, err := e.services.iam.Projects.Roles.Get(name).Context(ctx).Do()
			if err == nil && !there.Deleted {
				_, err = e.services.iam.Projects.Roles.Delete(name).Context(ctx).Do()
			}
			if hasCode(err, "failedPrecondition") {
				continue // it has been meanwhile
			}
			if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
				return fmt.Errorf("deleting the role %s: %w", name, err)
			}
		}
	}
	_, err := e.services.iam.Projects.ServiceAccounts.Delete("projects/" + e.project + "/serviceAccounts/" + e.accountEmail()).Context(ctx).Do()
	if err = meaning(err); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return fmt.Errorf("deleting the service account %s: %w", e.accountEmail(), err)
	}
	return nil
}

// onceMore tells whether to change a policy once more: another change was faster, or the
// service account, which was made just now, is not known there yet.
func onceMore(ctx context.Context, began time.Time, err error) bool {
	m := meaning(err)
	if !errors.Is(m, serve.ErrConflict) && !errors.Is(m, serve.ErrInvalid) || time.Since(began) > hostPatience {
		return false
	}
	return turns.Sleep(ctx, fleet.LookPause)
}
