// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// controllerFailed is the phase of a service whose controller does not answer.
// No controller says it of itself, so the domain has no such state.
const controllerFailed serve.Status = "CONTROLLER_FAILED"

// observe takes over what the service shows of itself, leaving the arguments
// alone.
func (m *serviceModel) observe(svc serve.Service) {
	m.ID = types.StringValue(svc.Name)
	m.Endpoint = text(svc.Endpoint)
	m.CreatedAt = moment(svc.CreatedAt)
	m.Revision = types.Int64Value(svc.Revision)
	m.Status = statusObject(svc.Status, svc.Counts, failureMessage(svc))
	m.ReplicaStatus = replicaMap(svc.Replicas)
}

// failureMessage gives the service's message while it has failed. At other times
// it changes too often for something that is kept in state.
func failureMessage(svc serve.Service) string {
	if svc.Status.IsFailed() {
		return svc.Message
	}
	return ""
}

// unreachable marks the status of a service whose controller does not answer.
// The counts that were known last are kept.
func (m *serviceModel) unreachable(ctx context.Context, diags *diag.Diagnostics) {
	if m.Status.IsNull() { // imported: nothing was ever known
		m.Status = statusObject(controllerFailed, serve.Counts{}, "")
		return
	}
	s, _ := decode[statusModel](ctx, m.Status, diags)
	s.Phase = types.StringValue(string(controllerFailed))
	object, d := types.ObjectValueFrom(ctx, attributeTypes(statusAttributes()), s)
	diags.Append(d...)
	m.Status = object
}

// isUnreachable reports whether the controller did not answer when the model
// was read.
func (m serviceModel) isUnreachable(ctx context.Context, diags *diag.Diagnostics) bool {
	s, _ := decode[statusModel](ctx, m.Status, diags)
	return s.Phase.ValueString() == string(controllerFailed)
}

func statusObject(phase serve.Status, c serve.Counts, message string) types.Object {
	return types.ObjectValueMust(attributeTypes(statusAttributes()), map[string]attr.Value{
		"phase":     types.StringValue(string(phase)),
		"ready":     integer(c.Ready),
		"total":     integer(c.Total),
		"spot":      integer(c.Spot),
		"on_demand": integer(c.OnDemand),
		"failed":    integer(c.Failed),
		"message":   text(message),
	})
}

func replicaMap(replicas []serve.Replica) types.Map {
	kinds := attributeTypes(replicaAttributes())
	values := make(map[string]attr.Value, len(replicas))
	for _, r := range replicas {
		values[strconv.FormatInt(r.ID, 10)] = types.ObjectValueMust(kinds, map[string]attr.Value{
			"market":      text(string(r.Market)),
			"location":    location(r.Offer),
			"revision":    types.Int64Value(r.Revision),
			"status":      types.StringValue(string(r.Status())),
			"endpoint":    replicaURL(r),
			"launched_at": moment(r.LaunchedAt),
		})
	}
	return types.MapValueMust(types.ObjectType{AttrTypes: kinds}, values)
}

// location gives where an offer is, null before one was chosen.
func location(o serve.Offer) types.String {
	if o.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(o.Location.String())
}

// replicaURL gives the replica's own address. The endpoint speaks HTTP with its
// replicas also when it speaks HTTPS with the world.
func replicaURL(r serve.Replica) types.String {
	if r.Address == "" {
		return types.StringNull()
	}
	return types.StringValue("http://" + r.Address)
}

// text gives null for what the domain leaves empty.
func text(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

// moment gives a time in RFC 3339, null for one that has not come.
func moment(t time.Time) types.String {
	if t.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(t.UTC().Format(time.RFC3339))
}

// attributeTypes gives the types of nested attributes, so that the schema is the
// only place that says them.
func attributeTypes(attributes map[string]schema.Attribute) map[string]attr.Type {
	kinds := make(map[string]attr.Type, len(attributes))
	for name, a := range attributes {
		kinds[name] = a.GetType()
	}
	return kinds
}
