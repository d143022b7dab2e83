// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package provider is the Terraform face of the project: the serve_service
// resource and data source, and the from_yaml function.
//
// It translates. A configuration becomes a [serve.Spec], which is checked by the
// domain's own rules while Terraform plans; a controller is found or started by
// a [serve.Deployer], given the spec through a [serve.Client], and what it shows
// becomes state. The package knows no cloud: deployers are passed in.
//
// What moves by itself is kept apart from what was asked for. Arguments change
// in state only when the service's spec was really changed by somebody else;
// status and replica_status follow the service and never cause a diff; anything
// faster is in the data source only.
package provider

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// homeVariable is the environment variable that stands in for the provider's
// home argument.
const homeVariable = "SERVE_HOME"

// Options is what the provider is made of.
type Options struct {
	// Version is the provider's own version, or "dev".
	Version string
	// Home turns the configured home, empty when there is none, into the
	// directory to use. Without it the configured one is used as it is.
	Home func(configured string) (string, error)
	// Deployers gives the deployers there are, by the name of the infra they
	// deploy controllers on. It is called when the first of them is needed, once for
	// each namespace, and must not ask the network for anything.
	Deployers func(s Settings) (map[string]serve.Deployer, error)
}

// New gives a factory of providers, as the plugin server wants it.
func New(o Options) func() provider.Provider {
	return func() provider.Provider { return &serveProvider{options: o} }
}

var (
	_ provider.Provider              = (*serveProvider)(nil)
	_ provider.ProviderWithFunctions = (*serveProvider)(nil)

	_ provider.ProviderWithValidateConfig = (*serveProvider)(nil)
)

type serveProvider struct{ options Options }

// providerModel is the provider's configuration.
type providerModel struct {
	Home       types.String `tfsdk:"home"`
	Kubernetes types.Object `tfsdk:"kubernetes"`
	AWS        types.Object `tfsdk:"aws"`
	GCP        types.Object `tfsdk:"gcp"`
}

// Metadata names the provider.
func (p *serveProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "serve"
	resp.Version = p.options.Version
}

// Schema describes the provider's configuration.
func (p *serveProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Serves HTTP services on a mixture of spot and on-demand machines, and keeps them served. " +
			"Clouds are reached with the credentials their own tools use (`AWS_*`, Application Default Credentials, `KUBECONFIG`).",
		Attributes: map[string]schema.Attribute{
			"home": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Directory in which controllers and replicas of the `local` infra live. " +
					"Defaults to `$" + homeVariable + "`, and without that to `~/.serve`.",
			},
			"kubernetes": kubernetesAttribute(),
			"aws":        awsAttribute(),
			"gcp":        gcpAttribute(),
		},
	}
}

// ValidateConfig says what cannot be meant.
func (p *serveProvider) ValidateConfig(ctx context.Context, req provider.ValidateConfigRequest, resp *provider.ValidateConfigResponse) {
	var m providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	resp.Diagnostics.Append(validateKubernetes(ctx, m.Kubernetes)...)
	resp.Diagnostics.Append(validateAWS(ctx, m.AWS)...)
	resp.Diagnostics.Append(validateGCP(ctx, m.GCP)...)
}

// Configure hands the configuration on. Nothing is opened or asked here, so that
// planning needs neither credentials nor a network, and a home that is not known
// yet does no harm.
func (p *serveProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var m providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	d := &deployers{options: p.options, home: m.Home, reached: map[string]types.Object{
		kubernetesInfra: m.Kubernetes, awsInfra: m.AWS, gcpInfra: m.GCP,
	}}
	if m.Home.IsNull() {
		d.home = types.StringValue(os.Getenv(homeVariable))
	}
	resp.ResourceData = d
	resp.DataSourceData = d
}

// Resources lists the resource types.
func (p *serveProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &serviceResource{} }}
}

// DataSources lists the data source types.
func (p *serveProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		func() datasource.DataSource { return &serviceDataSource{} },
		func() datasource.DataSource { return &estimateDataSource{} },
	}
}

// Functions lists the provider's functions.
func (p *serveProvider) Functions(context.Context) []func() function.Function {
	return []func() function.Function{func() function.Function { return fromYAMLFunction{} }}
}

// configured gives what Configure has handed on: nil before it has run.
func configured(data any) (*deployers, error) {
	if data == nil {
		return nil, nil
	}
	d, ok := data.(*deployers)
	if !ok {
		return nil, fmt.Errorf("the provider was configured with a %T: this is a bug in the provider", data)
	}
	return d, nil
}
