// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
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
				MarkdownDescription: "URLs in place of those of AWS, by the names of services: `ec2`, `pricing`, `ssm`, `sts`. Defaults to `$AWS_ENDPOINT_URL` and the like.",
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
func awsServices() []string { return []string{"ec2", "pricing", "ssm", "sts"} }

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

// The forms of what AWS gives names.
const (
	awsRegionForm = `^[a-z]{2,3}(-[a-z]+)+-[0-9]+$`
	roleARNForm   = `^arn:[a-z-]+:iam::[0-9]{12}:role/.+$`
	vpcForm       = `^vpc-[0-9a-f]+$`
	takenTagForm  = `^(serve-infra|aws):`
)

// validateAWS says what cannot be meant. What is not known yet may be there.
func validateAWS(ctx context.Context, o types.Object) diag.Diagnostics {
	var diags diag.Diagnostics
	m, ok := decode[awsModel](ctx, o, &diags)
	if !ok {
		return diags
	}
	at := path.Root("aws")
	refuse := func(at path.Path, why string) { diags.AddAttributeError(at, "Invalid "+at.String(), why) }
	form := func(at path.Path, v types.String, form, why string) {
		if known(v) && !regexp.MustCompile(form).MatchString(v.ValueString()) {
			refuse(at, "\""+v.ValueString()+"\" "+why)
		}
	}
	const region = "is not a region of AWS, which have names like \"us-east-1\"."
	form(at.AtName("region"), m.Region, awsRegionForm, region)
	form(at.AtName("vpc_id"), m.VPCID, vpcForm, "is not the id of a network, which is like \"vpc-0123456789abcdef0\".")
	for i, v := range m.Regions.Elements() {
		if v, ok := v.(types.String); ok {
			form(at.AtName("regions").AtListIndex(i), v, awsRegionForm, region)
		}
	}
	if known(m.VPCID) && !m.Regions.IsUnknown() && len(m.Regions.Elements()) != 1 {
		refuse(at.AtName("vpc_id"), "A network is in one region; name that, and no other, by regions.")
	}
	for _, key := range slices.Sorted(maps.Keys(m.DefaultTags.Elements())) {
		if regexp.MustCompile(takenTagForm).MatchString(key) {
			refuse(at.AtName("default_tags").AtMapKey(key), "Tags that begin with \"serve-infra:\" are the provider's own, and those that begin with \"aws:\" are those of AWS.")
		}
	}
	for _, service := range slices.Sorted(maps.Keys(m.Endpoints.Elements())) {
		here := at.AtName("endpoints").AtMapKey(service)
		if !slices.Contains(awsServices(), service) {
			refuse(here, "There is no service \""+service+"\" that would be asked; there are "+words(awsServices())+".")
		}
		v, ok := m.Endpoints.Elements()[service].(types.String)
		if !ok || !known(v) {
			continue
		}
		if u, err := url.Parse(v.ValueString()); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			refuse(here, "\""+v.ValueString()+"\" is not a URL, as in \"https://ec2.example.com\".")
		}
	}
	if r, ok := decode[assumeRoleModel](ctx, m.AssumeRole, &diags); ok {
		form(at.AtName("assume_role").AtName("role_arn"), r.RoleARN, roleARNForm, "is not the ARN of a role, as in \"arn:aws:iam::123456789012:role/serve\".")
	}
	return diags
}
