// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/storage/v1"
)

// member is what policies call the service account.
func (e *estate) member() string { return "serviceAccount:" + e.accountEmail() }

// conditionalPolicy is the version of policies that have conditions: whoever reads one
// by another, and writes it back, takes the conditions of others away.
const conditionalPolicy = 3

// grant has the controller's service account have these roles of its own in the project
// and no others, given by their conditions. What others have is left as it is, and the
// policy is written only if it is still the one that was read.
func (e *estate) grant(ctx context.Context, roles map[string]string) error {
	for began := time.Now(); ; {
		policy, err := e.services.resources.Projects.GetIamPolicy(e.project, &cloudresourcemanager.GetIamPolicyRequest{
			Options: &cloudresourcemanager.GetPolicyOptions{RequestedPolicyVersion: conditionalPolicy},
		}).Context(ctx).Do()
		if err != nil {
			return meaning(err)
		}
		if !e.rewrite(policy, roles) {
			return nil
		}
		_, err = e.services.resources.Projects.SetIamPolicy(e.project, &cloudresourcemanager.SetIamPolicyRequest{Policy: policy}).Context(ctx).Do()
		if err == nil || !onceMore(ctx, began, err) {
			return meaning(err)
		}
	}
}

// rewrite has a policy give the service account these roles, and reports whether it is
// another one now.
func (e *estate) rewrite(policy *cloudresourcemanager.Policy, roles map[string]string) bool {
	has := map[string]string{}
	stale := false // of somebody of the same name who was deleted
	mine := func(m string) bool {
		return m == e.member() || strings.HasPrefix(m, "deleted:"+e.member()+"?")
	}
	var kept []*cloudresourcemanager.Binding
	for _, b := range policy.Bindings {
		if strings.HasPrefix(b.Role, e.rolesBegin()) && slices.ContainsFunc(b.Members, mine) {
			stale = stale || !slices.Equal(b.Members, []string{e.member()})
			has[b.Role] = ""
			if b.Condition != nil {
				has[b.Role] = b.Condition.Expression
			}
			continue
		}
		kept = append(kept, b)
	}
	if maps.Equal(has, roles) && !stale {
		return false
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		b := &cloudresourcemanager.Binding{Role: role, Members: []string{e.member()}}
		if roles[role] != "" {
			b.Condition = &cloudresourcemanager.Expr{Title: "instances of " + e.service, Expression: roles[role]}
		}
		kept = append(kept, b)
	}
	policy.Bindings, policy.Version = kept, conditionalPolicy
	return true
}

// grantObjects has the controller's service account read and write what is in its
// bucket. With that it goes, too.
func (e *estate) grantObjects(ctx context.Context) error {
	for began := time.Now(); ; {
		policy, err := e.services.storage.Buckets.GetIamPolicy(e.name()).OptionsRequestedPolicyVersion(conditionalPolicy).Context(ctx).Do()
		if err != nil {
			return meaning(err)
		}
		gives := func(b *storage.PolicyBindings) bool {
			return b.Role == objectRole && b.Condition == nil && slices.Contains(b.Members, e.member())
		}
		if slices.ContainsFunc(policy.Bindings, gives) {
			return nil
		}
		policy.Bindings = append(policy.Bindings, &storage.PolicyBindings{Role: objectRole, Members: []string{e.member()}})
		_, err = e.services.storage.Buckets.SetIamPolicy(e.name(), policy).Context(ctx).Do()
		if err == nil || !onceMore(ctx, began, err) {
			return meaning(err)
		}
	}
}
