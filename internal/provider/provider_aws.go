// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// AWS says how AWS is reached, in the words of the provider of that name. The zero
// value is what the AWS command line would use.
type AWS struct {
	Region, Profile string
	AssumeRole      *AssumeRole
	Regions         []string
	DefaultTags     map[string]string
	Endpoints       map[string]string
	VPC             string
	Private         bool
}

// AssumeRole is a role that is taken on for every call.
type AssumeRole struct{ ARN, SessionName, ExternalID string }

// awsModel is aws in the provider's configuration.
type awsModel struct {
	Region              types.String `tfsdk:"region"`
	Profile             types.String `tfsdk:"profile"`
	AssumeRole          types.Object `tfsdk:"assume_role"`
	Regions             types.List   `tfsdk:"regions"`
	DefaultTags         types.Map    `tfsdk:"default_tags"`
	Endpoints           types.Map    `tfsdk:"endpoints"`
	VPCID               types.String `tfsdk:"vpc_id"`
	UsePrivateAddresses types.Bool   `tfsdk:"use_private_addresses"`
}

// assumeRoleModel is assume_role within it.
type assumeRoleModel struct {
	RoleARN     types.String `tfsdk:"role_arn"`
	SessionName types.String `tfsdk:"session_name"`
	ExternalID  types.String `tfsdk:"external_id"`
}

func awsAttribute() schema.SingleNestedAttribute {
	text := func(what string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: what}
	}
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How AWS is reached, for services that have replicas there. Without it that is as for the AWS command line: by `AWS_*` variables, " +
			"`~/.aws`, or on a machine of AWS its role. A controller keeps what stands here when it is deployed, but never credentials: these it finds by itself, " +
			"by the environment of the `terraform apply` that has started it. So credentials that end, like those of a login, are best named by `profile`.",
		Attributes: map[string]schema.Attribute{
			"region":  text("Region that is asked about what is the same in all of them. Defaults to `$AWS_REGION`, and without that to that of the profile. Where replicas are is for `resources` to say."),
			"profile": text("Section of the shared configuration files. Defaults to `$AWS_PROFILE`."),
			"assume_role": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Role to take on with the credentials that were found.",
				Attributes: map[string]schema.Attribute{
					"role_arn":     schema.StringAttribute{Required: true, MarkdownDescription: "ARN of the role."},
					"session_name": text("Name of the session, as CloudTrail shows it. Defaults to one that is made up."),
					"external_id":  text("External id that the role demands."),
				},
			},
			"regions": schema.ListAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Regions in which replicas may be where `resources` name none. Defaults to all that the account has enabled.",
			},
			"default_tags": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Tags put on everything that is made, beside the `labels` of `resources`. Keys that begin with `serve-infra:` or `aws:` are taken.",
			},
			"endpoints": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "URLs in place of those of AWS, by the names of services: " + words(awsServices()) + ". Defaults to `$AWS_ENDPOINT_URL` and the like.",
			},
			"vpc_id": text("Network that replicas are in, which must be in the one region that `regions` name. Defaults to the default network of each region."),
			"use_private_addresses": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether replicas have private addresses only. The controller must be in their network then, or have a way to it. Defaults to `false`.",
			},
		},
	}
}

// awsServices are those whose endpoints can be replaced.
func awsServices() []string { return []string{"ec2", "pricing", "servicequotas", "ssm", "sts"} }

// awsOf gives the configuration, of which all is known; nil if there is none.
func awsOf(o types.Object) *AWS {
	ctx := context.Background()
	var ignored diag.Diagnostics // what Terraform has accepted can be read
	m, ok := decode[awsModel](ctx, o, &ignored)
	if !ok {
		return &AWS{}
	}
	a := &AWS{
		Region: m.Region.ValueString(), Profile: m.Profile.ValueString(), VPC: m.VPCID.ValueString(), Private: m.UsePrivateAddresses.ValueBool(),
		DefaultTags: maps.Clone(stringMap(ctx, m.DefaultTags, &ignored)), Endpoints: maps.Clone(stringMap(ctx, m.Endpoints, &ignored)),
	}
	if !m.Regions.IsNull() {
		ignored.Append(m.Regions.ElementsAs(ctx, &a.Regions, false)...)
	}
	if r, ok := decode[assumeRoleModel](ctx, m.AssumeRole, &ignored); ok {
		a.AssumeRole = &AssumeRole{ARN: r.RoleARN.ValueString(), SessionName: r.SessionName.ValueString(), ExternalID: r.ExternalID.ValueString()}
	}
	return a
}
