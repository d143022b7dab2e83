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

// GCP says how Google Cloud is reached, in the words of the provider of that name.
// The zero value is what that provider would do without any.
type GCP struct {
	Project, Region, Zone string
	// Credentials are JSON or the path of a file, and a secret.
	Credentials   string
	Impersonate   string
	Regions       []string
	DefaultLabels map[string]string
	Endpoints     map[string]string
	Network       string
	Private       bool
}

// gcpModel is gcp in the provider's configuration.
type gcpModel struct {
	Project                   types.String `tfsdk:"project"`
	Region                    types.String `tfsdk:"region"`
	Zone                      types.String `tfsdk:"zone"`
	Credentials               types.String `tfsdk:"credentials"`
	ImpersonateServiceAccount types.String `tfsdk:"impersonate_service_account"`
	Regions                   types.List   `tfsdk:"regions"`
	DefaultLabels             types.Map    `tfsdk:"default_labels"`
	Endpoints                 types.Map    `tfsdk:"endpoints"`
	Network                   types.String `tfsdk:"network"`
	UsePrivateAddresses       types.Bool   `tfsdk:"use_private_addresses"`
}

func gcpAttribute() schema.SingleNestedAttribute {
	text := func(what string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: what}
	}
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How Google Cloud is reached, for services that have replicas there. Without it that is as for Google's own provider: by `GOOGLE_*` variables, " +
			"Application Default Credentials as of `gcloud auth application-default login`, or on a machine of Google Cloud its service account. A controller keeps what stands here " +
			"when it is deployed. Of credentials only a controller on this machine keeps those that stand here; without them it finds some by itself, by the environment of the `terraform apply` that has started it. " +
			"One that is elsewhere is given its own, by `cloud_credentials_wo` of the service.",
		Attributes: map[string]schema.Attribute{
			"project": text("Id of the project that everything is made in. Defaults to `$GOOGLE_PROJECT`, `$GOOGLE_CLOUD_PROJECT`, `$GCLOUD_PROJECT` or `$CLOUDSDK_CORE_PROJECT`, and without them to that of the credentials."),
			"region":  text("Region of controllers with `infra = \"gcp\"`. Defaults to `$GOOGLE_REGION`, `$GCLOUD_REGION` or `$CLOUDSDK_COMPUTE_REGION`, and without them to the region of the zone. Where replicas are is for `resources` to say."),
			"zone":    text("Zone of that region, for what is of one zone and says by itself of none. Defaults to `$GOOGLE_ZONE`, `$GCLOUD_ZONE` or `$CLOUDSDK_COMPUTE_ZONE`."),
			"credentials": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Key of a service account, or another file of credentials as Google's programs have them: its JSON, or its path, which may begin with `~/`. Defaults to " +
					"`$GOOGLE_CREDENTIALS`, `$GOOGLE_CLOUD_KEYFILE_JSON` or `$GCLOUD_KEYFILE_JSON`, and without them to Application Default Credentials.",
			},
			"impersonate_service_account": text("E-mail address of a service account to act as with the credentials that were found. Defaults to `$GOOGLE_IMPERSONATE_SERVICE_ACCOUNT`, and without that to none."),
			"regions": schema.ListAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Regions in which replicas may be where `resources` name none. Defaults to all that the project may use.",
			},
			"default_labels": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Labels put on everything that is made and can have any, beside the `labels` of `resources`. Keys that begin with `serve-infra-` or `goog` are taken.",
			},
			"endpoints": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "URLs in place of those of Google, by the names of services: " + words(gcpServices()) + ". Defaults to `$GOOGLE_COMPUTE_CUSTOM_ENDPOINT` and the like, as Google's own provider reads them.",
			},
			"network": text("Network that replicas are in, by its name or as `projects/PROJECT/global/networks/NETWORK`; or a subnetwork, as `projects/PROJECT/regions/REGION/subnetworks/SUBNETWORK`, " +
				"which must be in the one region that `regions` name. `self_link` of Google's own resources is good for both. Defaults to the network `default`."),
			"use_private_addresses": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether replicas have private addresses only. The controller must be in their network then, or have a way to it. Defaults to `false`.",
			},
		},
	}
}

// gcpServices are those whose endpoints can be replaced.
func gcpServices() []string {
	return []string{"cloudbilling", "cloudresourcemanager", "compute", "iam", "iamcredentials", "storage"}
}

// gcpOf gives the configuration, of which all is known; the zero one if there is none.
func gcpOf(o types.Object) *GCP {
	ctx := context.Background()
	var ignored diag.Diagnostics // what Terraform has accepted can be read
	m, ok := decode[gcpModel](ctx, o, &ignored)
	if !ok {
		return &GCP{}
	}
	g := &GCP{
		Project: m.Project.ValueString(), Region: m.Region.ValueString(), Zone: m.Zone.ValueString(), Credentials: m.Credentials.ValueString(),
		Impersonate: m.ImpersonateServiceAccount.ValueString(), Network: m.Network.ValueString(), Private: m.UsePrivateAddresses.ValueBool(),
		DefaultLabels: maps.Clone(stringMap(ctx, m.DefaultLabels, &ignored)), Endpoints: maps.Clone(stringMap(ctx, m.Endpoints, &ignored)),
	}
	if !m.Regions.IsNull() {
		ignored.Append(m.Regions.ElementsAs(ctx, &g.Regions, false)...)
	}
	return g
}
