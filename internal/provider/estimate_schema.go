// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	arguments "github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

// estimateSchema describes data.serve_estimate.
func estimateSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "What a service would cost, and what its machines could be had as, from the prices that the clouds have now. " +
			"It is read by `terraform plan`, before anything is made, and nothing is made for it. Where a price cannot be read the cost is null; that is no error, and no warning.",
		Attributes: map[string]schema.Attribute{
			"resources": readable(resourcesAttribute()),
			"replica_policy": readable(arguments.SingleNestedAttribute{
				Optional: true, Attributes: policyAttributes(), MarkdownDescription: policyAttribute().MarkdownDescription,
			}),
			"replicas": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Number of replicas, in place of `replica_policy`. Defaults to `1`.",
			},
			"infra": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "What the service's controller is to run on. Defaults to `" + localInfra + "`.",
			},
			"hourly_cost": schema.SingleNestedAttribute{
				Computed: true,
				MarkdownDescription: "What the fewest replicas cost that the policy allows, in US dollars per hour, while no spot machine has to be stood in for: " +
					"each at the lowest price of its market, of those in the preferred place. Disks, addresses and traffic come on top. Null if a price is not known.",
				Attributes: map[string]schema.Attribute{
					"spot":      viewFloat("What the spot machines cost."),
					"on_demand": viewFloat("What the on-demand machines cost."),
					"total":     viewFloat("What all of them cost."),
				},
			},
			"offers": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "What the clouds would sell for `resources`, the preferred first, and of equals the cheapest.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"location":      viewText("Where the machine would be, as `cloud/region/zone`."),
					"market":        viewText("`spot` or `on_demand`."),
					"instance_type": viewText("The cloud's name for the type of machine."),
					"price":         viewFloat("Price in US dollars per hour; null if it is not known."),
					"cpus":          viewFloat("Number of virtual processors."),
					"memory":        viewFloat("Memory in GiB."),
					"accelerators":  viewText("Accelerators as `NAME:count`; null if there are none."),
				}},
			},
		},
	}
}

// readable turns an argument of the resource into one of a data source, which has
// no defaults: what is left out is left out.
func readable(a arguments.Attribute) schema.Attribute {
	what, required := a.GetMarkdownDescription(), a.IsRequired()
	switch a := a.(type) {
	case arguments.StringAttribute:
		return schema.StringAttribute{Required: required, Optional: !required, MarkdownDescription: what}
	case arguments.BoolAttribute:
		return schema.BoolAttribute{Required: required, Optional: !required, MarkdownDescription: what}
	case arguments.Int64Attribute:
		return schema.Int64Attribute{Required: required, Optional: !required, MarkdownDescription: what}
	case arguments.Float64Attribute:
		return schema.Float64Attribute{Required: required, Optional: !required, MarkdownDescription: what}
	case arguments.DynamicAttribute:
		return schema.DynamicAttribute{Required: required, Optional: !required, MarkdownDescription: what}
	case arguments.MapAttribute:
		return schema.MapAttribute{Required: required, Optional: !required, ElementType: a.ElementType, MarkdownDescription: what}
	case arguments.ListAttribute:
		return schema.ListAttribute{Required: required, Optional: !required, ElementType: a.ElementType, MarkdownDescription: what}
	case arguments.SingleNestedAttribute:
		return schema.SingleNestedAttribute{Required: required, Optional: !required, Attributes: allReadable(a.Attributes), MarkdownDescription: what}
	case arguments.ListNestedAttribute:
		return schema.ListNestedAttribute{
			Required: required, Optional: !required, MarkdownDescription: what,
			NestedObject: schema.NestedAttributeObject{Attributes: allReadable(a.NestedObject.Attributes)},
		}
	}
	panic(fmt.Sprintf("no argument of a data source is like %T", a)) // every schema is built by the tests
}

func allReadable(attributes map[string]arguments.Attribute) map[string]schema.Attribute {
	all := make(map[string]schema.Attribute, len(attributes))
	for name, a := range attributes {
		all[name] = readable(a)
	}
	return all
}
