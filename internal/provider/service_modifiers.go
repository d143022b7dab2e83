// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// oneUnlessPolicy plans replicas when it is left out: 1, or nothing when there
// is a replica_policy.
type oneUnlessPolicy struct{}

// Description says what the modifier does.
func (oneUnlessPolicy) Description(context.Context) string {
	return "Defaults to 1 without a replica_policy."
}

// MarkdownDescription says the same.
func (m oneUnlessPolicy) MarkdownDescription(ctx context.Context) string { return m.Description(ctx) }

// PlanModifyInt64 plans the number.
func (oneUnlessPolicy) PlanModifyInt64(ctx context.Context, req planmodifier.Int64Request, resp *planmodifier.Int64Response) {
	if !req.ConfigValue.IsNull() {
		return
	}
	var policy types.Object
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("replica_policy"), &policy)...)
	switch {
	case policy.IsUnknown():
		resp.PlanValue = types.Int64Unknown()
	case policy.IsNull():
		resp.PlanValue = types.Int64Value(1)
	default:
		resp.PlanValue = types.Int64Null()
	}
}

// minUnlessSet plans max_replicas when it is left out: as many as min_replicas.
type minUnlessSet struct{}

// Description says what the modifier does.
func (minUnlessSet) Description(context.Context) string { return "Defaults to min_replicas." }

// MarkdownDescription says the same.
func (m minUnlessSet) MarkdownDescription(ctx context.Context) string { return m.Description(ctx) }

// PlanModifyInt64 plans the number.
func (minUnlessSet) PlanModifyInt64(ctx context.Context, req planmodifier.Int64Request, resp *planmodifier.Int64Response) {
	if !req.ConfigValue.IsNull() {
		return
	}
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, req.Path.ParentPath().AtName("min_replicas"), &resp.PlanValue)...)
}
