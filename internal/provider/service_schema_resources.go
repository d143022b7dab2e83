// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func resourcesAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Required:   true,
		Attributes: resourcesAttributes(),
		MarkdownDescription: "The machine a replica needs: one description, or alternatives in `any_of` or `ordered` that take what they leave out from the outer one. " +
			"What is left out everywhere does not matter.",
	}
}

func resourcesAttributes() map[string]schema.Attribute {
	attributes := machineAttributes()
	attributes["use_spot"] = schema.BoolAttribute{
		Optional:            true,
		Computed:            true,
		Default:             booldefault.StaticBool(false),
		MarkdownDescription: describe("Whether replicas run on spot machines, which are cheap and can be taken away.", false),
	}
	attributes["any_of"] = schema.ListNestedAttribute{
		Optional:            true,
		NestedObject:        schema.NestedAttributeObject{Attributes: machineAttributes()},
		MarkdownDescription: "Alternatives of equal standing, of which the cheapest is preferred. Not together with `ordered`.",
	}
	attributes["ordered"] = schema.ListNestedAttribute{
		Optional:            true,
		NestedObject:        schema.NestedAttributeObject{Attributes: machineAttributes()},
		MarkdownDescription: "Alternatives in order of preference. Not together with `any_of`.",
	}
	return attributes
}

// machineAttributes describes one machine. Numbers may be written for the
// strings among them: Terraform converts them.
func machineAttributes() map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{
		"use_spot": schema.BoolAttribute{
			Optional:            true,
			MarkdownDescription: "Whether replicas run on spot machines. Defaults to what the outer description says.",
		},
		"labels": schema.MapAttribute{
			Optional:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Labels of the machines, by the rules of their cloud. Those of an alternative are added to the outer ones.",
		},
		"max_hourly_cost": schema.Float64Attribute{
			Optional:            true,
			MarkdownDescription: "Ceiling on the price of a machine, in US dollars per hour, more than 0. Defaults to none.",
		},
		"kubernetes": nodesAttribute(),
	}
	maps.Copy(attributes, machineStrings())
	return attributes
}

func machineStrings() map[string]schema.Attribute {
	attributes := make(map[string]schema.Attribute)
	for name, text := range map[string]string{
		"infra":         "Where the machine may be, as `cloud`, `cloud/region` or `cloud/region/zone`, with `*` for any; the clouds are " + words(serve.Clouds()) + ". In place of `cloud`, `region` and `zone`.",
		"cloud":         "Cloud the machine may be in: one of " + words(serve.Clouds()) + ".",
		"region":        "Region the machine may be in.",
		"zone":          "Zone the machine may be in.",
		"instance_type": "The cloud's name for the type of machine. Defaults to the cheapest that has what the other arguments ask for.",
		"cpus":          "Number of virtual processors: `\"4\"` for just as many, `\"4+\"` for at least as many.",
		"memory":        "Memory in GiB, or with a unit: `\"32\"` for just as much, `\"32+\"` for at least as much.",
		"accelerators":  "Accelerators as `NAME` or `NAME:count`, such as `\"A100:8\"`.",
		"disk_size":     "Size of the disk in GB, or with a unit, such as `\"512\"` or `\"1TB\"`.",
		"disk_tier":     "Speed of the disk: one of " + words(serve.DiskTiers()) + ".",
		"image_id":      "Image the machine starts from: a cloud's own image, or `docker:` and a container image.",
		"ports":         "Ports the server listens on: `8080`, `\"8080-8090\"`, or several of these with commas between.",
	} {
		attributes[name] = schema.StringAttribute{Optional: true, MarkdownDescription: text}
	}
	return attributes
}
