// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func scheduleAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"days": schema.ListAttribute{
			Optional:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Days on which it begins, of `mon`, `tue`, `wed`, `thu`, `fri`, `sat` and `sun`. Defaults to every day.",
		},
		"from": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "When it begins, such as `08:00`.",
		},
		"to": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "When it ends, such as `20:00`; on the next day if that is not after `from`.",
		},
		"time_zone": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Time zone of the hours and days, such as `Europe/Berlin`. Defaults to `UTC`.",
		},
		"min_replicas": schema.Int64Attribute{
			Required:            true,
			MarkdownDescription: "Least number of replicas meanwhile.",
		},
		"max_replicas": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Greatest number of replicas meanwhile. Defaults to `min_replicas`.",
		},
	}
}

// schedules reads the schedules of a policy. What is not known yet keeps its place.
func (m policyModel) schedules(ctx context.Context, diags *diag.Diagnostics) []serve.Schedule {
	if !known(m.Schedules) {
		return nil
	}
	var objects []types.Object
	diags.Append(m.Schedules.ElementsAs(ctx, &objects, false)...)
	var all []serve.Schedule
	for _, o := range objects {
		one, _ := decode[scheduleModel](ctx, o, diags)
		s := serve.Schedule{
			From: one.From.ValueString(), To: one.To.ValueString(), TimeZone: one.TimeZone.ValueString(),
			MinReplicas: int(one.MinReplicas.ValueInt64()), MaxReplicas: int(one.MinReplicas.ValueInt64()),
		}
		setInt(&s.MaxReplicas, one.MaxReplicas)
		s.Days = texts(ctx, one.Days, diags)
		all = append(all, s)
	}
	return all
}

// scheduleList is the way back.
func scheduleList(all []serve.Schedule) types.List {
	kind := types.ObjectType{AttrTypes: attributeTypes(scheduleAttributes())}
	if len(all) == 0 {
		return types.ListNull(kind)
	}
	values := make([]attr.Value, len(all))
	for i, s := range all {
		most := types.Int64Null()
		if s.MaxReplicas != s.MinReplicas {
			most = integer(s.MaxReplicas)
		}
		values[i] = types.ObjectValueMust(kind.AttrTypes, map[string]attr.Value{
			"days": textList(s.Days), "from": types.StringValue(s.From), "to": types.StringValue(s.To), "time_zone": text(s.TimeZone),
			"min_replicas": integer(s.MinReplicas), "max_replicas": most,
		})
	}
	return types.ListValueMust(kind, values)
}
