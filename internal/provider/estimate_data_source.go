// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ datasource.DataSourceWithConfigure = (*estimateDataSource)(nil)

// estimateDataSource is data.serve_estimate. Prices move, and Terraform plans a
// resource once more before it applies the plan, so that they can be no attribute
// of one: the two plans would differ. A data source is read once.
type estimateDataSource struct{ deployers *deployers }

// estimateModel is data.serve_estimate.
type estimateModel struct {
	Resources     types.Object `tfsdk:"resources"`
	ReplicaPolicy types.Object `tfsdk:"replica_policy"`
	Replicas      types.Int64  `tfsdk:"replicas"`
	Infra         types.String `tfsdk:"infra"`
	HourlyCost    *costModel   `tfsdk:"hourly_cost"`
	Offers        []offerModel `tfsdk:"offers"`
}

// costModel is hourly_cost.
type costModel struct {
	Spot     types.Float64 `tfsdk:"spot"`
	OnDemand types.Float64 `tfsdk:"on_demand"`
	Total    types.Float64 `tfsdk:"total"`
}

// offerModel is one of the offers.
type offerModel struct {
	Location     types.String  `tfsdk:"location"`
	Market       types.String  `tfsdk:"market"`
	InstanceType types.String  `tfsdk:"instance_type"`
	Price        types.Float64 `tfsdk:"price"`
	CPUs         types.Float64 `tfsdk:"cpus"`
	Memory       types.Float64 `tfsdk:"memory"`
	Accelerators types.String  `tfsdk:"accelerators"`
}

// Metadata names the data source type.
func (d *estimateDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_estimate"
}

// Schema describes the data source.
func (d *estimateDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = estimateSchema()
}

// Configure takes over what the provider was configured with.
func (d *estimateDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	c, err := configured(req.ProviderData)
	if err != nil {
		resp.Diagnostics.AddError("Configuring the data source failed", err.Error())
	}
	d.deployers = c
}

// Read asks the clouds. That a price cannot be had is no reason not to plan.
func (d *estimateDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m estimateModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	spec, diags := serviceModel{Resources: m.Resources, ReplicaPolicy: m.ReplicaPolicy, Replicas: m.Replicas}.spec(ctx)
	resp.Diagnostics.Append(diags...)
	wrong := slices.DeleteFunc(spec.Validate(), func(e serve.FieldError) bool {
		root, _, _ := strings.Cut(e.Path, ".")
		return root != "resources" && root != "replica_policy" && root != "replicas" || strings.HasSuffix(e.Path, ".ports")
	})
	resp.Diagnostics.Append(fieldErrors(wrong)...)
	if known(m.Replicas) && known(m.ReplicaPolicy) {
		resp.Diagnostics.AddAttributeError(path.Root("replicas"), "Invalid replicas", "Either there are replicas or a replica_policy; leave one of them out.")
	}
	if resp.Diagnostics.HasError() {
		return
	}
	offers, whole := d.offers(ctx, cmp.Or(m.Infra.ValueString(), localInfra), spec.Resources)
	m.show(spec, offers, whole)
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// offers asks the clouds that a controller would have machines from; whole is false
// where some of them have not answered.
func (d *estimateDataSource) offers(ctx context.Context, infra string, r serve.Resources) (all []serve.Offer, whole bool) {
	if !d.deployers.known(infra) {
		return nil, false
	}
	deployer, err := d.deployers.get(infra, "")
	if err != nil {
		return nil, false
	}
	scout, ok := deployer.(serve.Scout)
	if !ok {
		return nil, false
	}
	clouds, err := scout.Scout("")
	if err != nil {
		return nil, false
	}
	for i, c := range clouds {
		needed := slices.ContainsFunc(r.Entries(), func(e serve.Resource) bool { return e.MayBeIn(c.Name(), i == 0) })
		if needed && !d.deployers.knownCloud(c.Name()) {
			return nil, false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, preflightPatience)
	defer cancel()
	all, err = serve.Offers(ctx, r, clouds)
	slices.SortStableFunc(all, func(a, b serve.Offer) int { return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Price, b.Price)) })
	return all, err == nil
}

// show fills in everything that is computed. What costs least is not known where
// somebody has not answered.
func (m *estimateModel) show(spec serve.Spec, offers []serve.Offer, whole bool) {
	if c, ok := spec.Estimate(offers); ok && whole {
		m.HourlyCost = &costModel{dollars(c.Spot), dollars(c.OnDemand), dollars(c.Total)}
	}
	m.Offers = []offerModel{}
	for _, o := range offers {
		shown := offerModel{
			Location: text(o.Location.String()), Market: text(string(o.Market)), InstanceType: text(o.InstanceType),
			CPUs: number(o.CPUs), Memory: number(o.Memory), Accelerators: text(o.Accelerators),
		}
		if o.Price > 0 {
			shown.Price = dollars(o.Price)
		}
		m.Offers = append(m.Offers, shown)
	}
}

// dollars gives an amount as prices are written: no cloud has more than six digits.
func dollars(f float64) types.Float64 { return number(math.Round(f*1e6) / 1e6) }
