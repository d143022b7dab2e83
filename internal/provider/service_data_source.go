// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

var _ datasource.DataSourceWithConfigure = (*serviceDataSource)(nil)

// serviceDataSource is data.serve_service: everything that moves too fast for
// the resource.
type serviceDataSource struct{ deployers *deployers }

// recentEvents is how many events are shown.
const recentEvents = 50

// viewModel is data.serve_service.
type viewModel struct {
	Name      types.String `tfsdk:"name"`
	Infra     types.String `tfsdk:"infra"`
	Namespace types.String `tfsdk:"namespace"`

	Status          types.String  `tfsdk:"status"`
	Message         types.String  `tfsdk:"message"`
	Endpoint        types.String  `tfsdk:"endpoint"`
	StatusPageURL   types.String  `tfsdk:"status_page_url"`
	CreatedAt       types.String  `tfsdk:"created_at"`
	Revision        types.Int64   `tfsdk:"revision"`
	ActiveRevisions []int64       `tfsdk:"active_revisions"`
	GoodRevision    types.Int64   `tfsdk:"good_revision"`
	RolledBack      types.String  `tfsdk:"rolled_back"`
	Target          types.Int64   `tfsdk:"target"`
	Ready           types.Int64   `tfsdk:"ready"`
	Total           types.Int64   `tfsdk:"total"`
	Spot            types.Int64   `tfsdk:"spot"`
	OnDemand        types.Int64   `tfsdk:"on_demand"`
	Failed          types.Int64   `tfsdk:"failed"`
	QPS             types.Float64 `tfsdk:"qps"`
	CostPerHour     types.Float64 `tfsdk:"cost_per_hour"`
	Spent           types.Float64 `tfsdk:"spent"`
	Saved           types.Float64 `tfsdk:"saved"`
	UptimeSeconds   types.Int64   `tfsdk:"uptime_seconds"`
	Replicas        []viewReplica `tfsdk:"replicas"`
	Pools           []viewPool    `tfsdk:"pools"`
	Events          []viewEvent   `tfsdk:"events"`

	Revisions []viewRevision `tfsdk:"revisions"`

	Interruptions []viewInterruption `tfsdk:"interruptions"`
}

// viewReplica is one of the replicas.
type viewReplica struct {
	ID           types.Int64   `tfsdk:"id"`
	Revision     types.Int64   `tfsdk:"revision"`
	Market       types.String  `tfsdk:"market"`
	Status       types.String  `tfsdk:"status"`
	Location     types.String  `tfsdk:"location"`
	InstanceType types.String  `tfsdk:"instance_type"`
	Price        types.Float64 `tfsdk:"price"`
	Endpoint     types.String  `tfsdk:"endpoint"`
	LaunchedAt   types.String  `tfsdk:"launched_at"`
	AgeSeconds   types.Int64   `tfsdk:"age_seconds"`
	Message      types.String  `tfsdk:"message"`
}

// viewPool is one of the pools that something is remembered of.
type viewPool struct {
	Location     types.String `tfsdk:"location"`
	Market       types.String `tfsdk:"market"`
	InstanceType types.String `tfsdk:"instance_type"`
	Refusals     types.Int64  `tfsdk:"refusals"`
	BlockedUntil types.String `tfsdk:"blocked_until"`
	Preemptions  types.Int64  `tfsdk:"preemptions"`
	AvoidedUntil types.String `tfsdk:"avoided_until"`
	LostAt       types.String `tfsdk:"lost_at"`
	HeldSince    types.String `tfsdk:"held_since"`
}

// viewRevision is one of the revisions.
type viewRevision struct {
	Revision   types.Int64  `tfsdk:"revision"`
	AcceptedAt types.String `tfsdk:"accepted_at"`
	Changed    []string     `tfsdk:"changed"`
	BackTo     types.Int64  `tfsdk:"back_to"`
	ProvenAt   types.String `tfsdk:"proven_at"`
	GivenUpAt  types.String `tfsdk:"given_up_at"`
	Reason     types.String `tfsdk:"reason"`
}

// viewEvent is one of the events.
type viewEvent struct {
	Seq       types.Int64  `tfsdk:"seq"`
	At        types.String `tfsdk:"at"`
	Kind      types.String `tfsdk:"kind"`
	ReplicaID types.Int64  `tfsdk:"replica_id"`
	Message   types.String `tfsdk:"message"`
}

// Metadata names the data source type.
func (d *serviceDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_service"
}

// Schema describes the data source.
func (d *serviceDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = viewSchema()
}

// Configure takes over what the provider was configured with.
func (d *serviceDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	c, err := configured(req.ProviderData)
	if err != nil {
		resp.Diagnostics.AddError("Configuring the data source failed", err.Error())
	}
	d.deployers = c
}

// Read asks the controller. Whoever reads a service wants to know how it is, so
// that one that is gone or does not answer is an error here.
func (d *serviceDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m viewModel
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("name"), &m.Name)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("infra"), &m.Infra)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("namespace"), &m.Namespace)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if m.Infra.IsNull() {
		m.Infra = types.StringValue(localInfra)
	}
	if known(m.Namespace) && m.Infra.ValueString() != kubernetesInfra {
		resp.Diagnostics.AddAttributeError(path.Root("namespace"), "Invalid namespace", fmt.Sprintf("Only on infra %q are there namespaces.", kubernetesInfra))
		return
	}
	name := m.Name.ValueString()
	svc, events, err := d.look(ctx, m.Infra.ValueString(), m.Namespace.ValueString(), name)
	switch {
	case errors.Is(err, serve.ErrNotFound):
		resp.Diagnostics.AddAttributeError(path.Root("name"), "No such service", fmt.Sprintf("There is no service %q on %s.\n\n%s", name, m.Infra.ValueString(), err))
	case errors.Is(err, serve.ErrUnreachable):
		resp.Diagnostics.AddAttributeError(path.Root("name"), "The controller does not answer", fmt.Sprintf("There is a service %q, but its controller does not answer; applying its resource starts it again.\n\n%s", name, err))
	case err != nil:
		resp.Diagnostics.AddError("Reading the service failed", err.Error())
	default:
		m.show(svc, events, time.Now())
		resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
	}
}

// look asks for the service and its last events, oldest first.
func (d *serviceDataSource) look(ctx context.Context, infra, namespace, name string) (serve.Service, []serve.Event, error) {
	deployer, err := d.deployers.get(infra, namespace)
	if err != nil {
		return serve.Service{}, nil, err
	}
	client, err := deployer.Find(ctx, name)
	if err != nil {
		return serve.Service{}, nil, err
	}
	svc, err := client.Service(ctx)
	if err != nil {
		return serve.Service{}, nil, err
	}
	var events []serve.Event
	err = client.Events(ctx, 0, false, func(e serve.Event) bool {
		if len(events) == recentEvents {
			events = events[1:]
		}
		events = append(events, e)
		return true
	})
	return svc, events, err
}

// show fills in everything that is computed.
func (m *viewModel) show(svc serve.Service, events []serve.Event, now time.Time) {
	m.Status = types.StringValue(string(svc.Status))
	m.Message = text(svc.Message)
	m.Endpoint, m.StatusPageURL = text(svc.Endpoint), text(svc.StatusPage)
	m.CreatedAt = moment(svc.CreatedAt)
	m.Revision = types.Int64Value(svc.Revision)
	m.ActiveRevisions = append([]int64{}, svc.ActiveRevisions...)
	m.GoodRevision = types.Int64Null()
	if svc.Good != 0 {
		m.GoodRevision = types.Int64Value(svc.Good)
	}
	if given := svc.RolledBack; given != nil {
		m.RolledBack = text(fmt.Sprintf("Revision %d was given up for revision %d, as %s.", given.Revision, given.Good, given.Reason))
	}
	m.Target = integer(svc.Target)
	m.Ready, m.Total = integer(svc.Counts.Ready), integer(svc.Counts.Total)
	m.Spot, m.OnDemand = integer(svc.Counts.Spot), integer(svc.Counts.OnDemand)
	m.Failed = integer(svc.Counts.Failed)
	m.QPS = number(svc.QPS)
	m.CostPerHour = number(svc.CostPerHour)
	m.account(svc.Ledger.Until(now))
	m.UptimeSeconds = age(svc.FirstReadyAt, now)
	m.Replicas = make([]viewReplica, len(svc.Replicas))
	for i, r := range svc.Replicas {
		m.Replicas[i] = viewReplica{
			ID:           types.Int64Value(r.ID),
			Revision:     types.Int64Value(r.Revision),
			Market:       text(string(r.Market)),
			Status:       types.StringValue(string(r.Status())),
			Location:     location(r.Offer),
			InstanceType: text(r.Offer.InstanceType),
			Price:        number(r.Offer.Price),
			Endpoint:     replicaURL(r),
			LaunchedAt:   moment(r.LaunchedAt),
			AgeSeconds:   age(r.LaunchedAt, now),
			Message:      text(r.Message),
		}
	}
	m.Pools = make([]viewPool, len(svc.Pools))
	for i, p := range svc.Pools {
		m.Pools[i] = viewPool{
			Location:     types.StringValue(p.Location.String()),
			Market:       types.StringValue(string(p.Market)),
			InstanceType: text(p.InstanceType),
			Refusals:     integer(p.Refusals),
			BlockedUntil: moment(p.BlockedUntil),
			Preemptions:  integer(p.Preemptions),
			AvoidedUntil: moment(p.AvoidedUntil),
			LostAt:       moment(p.LostAt),
			HeldSince:    moment(p.HeldSince),
		}
	}
	m.Revisions = make([]viewRevision, len(svc.History))
	for i, r := range svc.History {
		m.Revisions[i] = viewRevision{
			Revision:   types.Int64Value(r.Revision),
			AcceptedAt: moment(r.At),
			Changed:    append([]string{}, r.Changed...),
			ProvenAt:   moment(r.ProvenAt),
			GivenUpAt:  moment(r.GivenUpAt),
			Reason:     text(r.Reason),
		}
		if r.BackTo != 0 {
			m.Revisions[i].BackTo = types.Int64Value(r.BackTo)
		}
	}
	m.Events = make([]viewEvent, len(events))
	for i, e := range events {
		m.Events[i] = viewEvent{
			Seq:     types.Int64Value(e.Seq),
			At:      moment(e.At),
			Kind:    types.StringValue(string(e.Kind)),
			Message: types.StringValue(e.Message),
		}
		if e.ReplicaID != 0 {
			m.Events[i].ReplicaID = types.Int64Value(e.ReplicaID)
		}
	}
}

// age gives the whole seconds since a time, null if that has not come.
func age(since, now time.Time) types.Int64 {
	if since.IsZero() {
		return types.Int64Null()
	}
	return types.Int64Value(int64(now.Sub(since).Seconds()))
}
