// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// refresh takes over arguments from the spec that the service really has, where
// they mean something else than those in the model. Where they mean the same,
// the user's own spelling stays: "k8s" for "kubernetes", {} for nothing, one
// value of a dynamic type for another.
//
// A model without run is one that is being imported: then every argument is
// taken over. Local paths, secrets and what concerns Terraform only cannot be
// known from a service; they stay null until the configuration is applied.
func (m *serviceModel) refresh(ctx context.Context, s serve.Spec) diag.Diagnostics {
	imported := m.Run.IsNull()
	have, diags := m.spec(ctx)
	differ := func(have, want any) bool { return imported || !same(have, want) }

	if differ(have.ReadinessProbe, s.ReadinessProbe) {
		m.ReadinessProbe = probeObject(s.ReadinessProbe)
	}
	if differ(have.ReplicaPolicy, s.ReplicaPolicy) {
		m.Replicas, m.ReplicaPolicy = types.Int64Null(), policyObject(s.ReplicaPolicy)
		if s.ReplicaPolicy.Fixed {
			m.Replicas, m.ReplicaPolicy = integer(s.ReplicaPolicy.MinReplicas), types.ObjectNull(attributeTypes(policyAttributes()))
		}
	}
	if differ(have.LoadBalancingPolicy, s.LoadBalancingPolicy) {
		m.LoadBalancingPolicy = types.StringValue(string(s.LoadBalancingPolicy))
	}
	if differ(have.UpdateMode, s.UpdateMode) {
		m.UpdateMode = types.StringValue(cmp.Or(string(s.UpdateMode), string(serve.Rolling)))
	}
	if differ(have.Rollback, s.Rollback) {
		m.Rollback = rollbackObject(s.Rollback)
	}
	if differ(have.RollingUpdate, s.RollingUpdate) {
		m.RollingUpdate = rollingObject(s.RollingUpdate)
	}
	if differ(have.LoadBalancer, s.LoadBalancer) {
		m.LoadBalancer = loadBalancerObject(s.LoadBalancer)
	}
	m.refreshTask(have.Task, s.Task, differ)
	if differ(have.Ports, s.Ports) {
		m.Ports = portNumber(s.Ports)
	}
	m.refreshTLS(have.TLS, s.TLS, differ)
	if imported {
		m.WaitForReady = types.BoolValue(true)
	}
	return diags
}

// portNumber gives null for no port.
func portNumber(port int) types.Int64 {
	if port == 0 {
		return types.Int64Null()
	}
	return integer(port)
}

// refreshTask takes over the arguments that say what a replica is.
func (m *serviceModel) refreshTask(have, t serve.Task, differ func(have, want any) bool) {
	if differ(have.Resources, t.Resources) {
		m.Resources = resourcesObject(t.Resources)
	}
	if differ(have.Setup, t.Setup) {
		m.Setup = text(t.Setup)
	}
	if differ(have.Run, t.Run) {
		m.Run = types.StringValue(t.Run)
	}
	if differ(have.Envs, t.Envs) {
		m.Envs = textMap(t.Envs)
	}
	m.WorkdirDigest = text(t.Workdir)
	if differ(have.FileMounts, t.FileMounts) {
		m.FileMountsDigests = textMap(t.FileMounts)
	}
}

// same compares two parts of specs by what a controller would be sent.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func probeObject(p serve.ReadinessProbe) types.Object {
	return types.ObjectValueMust(attributeTypes(probeAttributes()), map[string]attr.Value{
		"path":                                  types.StringValue(p.Path),
		"post_data":                             text(p.PostData),
		"headers":                               textMap(p.Headers),
		"initial_delay_seconds":                 number(p.InitialDelaySeconds),
		"timeout_seconds":                       number(p.TimeoutSeconds),
		"endpoint_probe_interval_seconds":       number(p.EndpointProbeIntervalSeconds),
		"consecutive_failure_threshold_timeout": number(p.ConsecutiveFailureThresholdTimeout),
	})
}

func policyObject(p serve.ReplicaPolicy) types.Object {
	return types.ObjectValueMust(attributeTypes(policyAttributes()), map[string]attr.Value{
		"min_replicas":                            integer(p.MinReplicas),
		"max_replicas":                            integer(p.MaxReplicas),
		"target_qps_per_replica":                  dynamicQPS(p.TargetQPSPerReplica),
		"target_concurrency_per_replica":          optionalNumber(p.TargetConcurrencyPerReplica),
		"external_metric":                         metricObject(p.ExternalMetric),
		"schedules":                               scheduleList(p.Schedules),
		"num_overprovision":                       integer(p.NumOverprovision),
		"upscale_delay_seconds":                   number(p.UpscaleDelaySeconds),
		"downscale_delay_seconds":                 number(p.DownscaleDelaySeconds),
		"base_ondemand_fallback_replicas":         integer(p.BaseOndemandFallbackReplicas),
		"dynamic_ondemand_fallback":               types.BoolValue(p.DynamicOndemandFallback),
		"dynamic_ondemand_fallback_delay_seconds": number(p.DynamicOndemandFallbackDelaySeconds),
		"spot_placer":                             text(p.SpotPlacer),
	})
}

func resourcesObject(r serve.Resources) types.Object {
	values := machineValues(r.Resource)
	values["use_spot"] = types.BoolValue(r.Spot())
	values["any_of"] = machineList(r.AnyOf)
	values["ordered"] = machineList(r.Ordered)
	return types.ObjectValueMust(attributeTypes(resourcesAttributes()), values)
}

func machineList(all []serve.Resource) types.List {
	kind := types.ObjectType{AttrTypes: attributeTypes(machineAttributes())}
	if len(all) == 0 {
		return types.ListNull(kind)
	}
	values := make([]attr.Value, len(all))
	for i, r := range all {
		values[i] = types.ObjectValueMust(kind.AttrTypes, machineValues(r))
	}
	return types.ListValueMust(kind, values)
}

func machineValues(r serve.Resource) map[string]attr.Value {
	cost := types.Float64Null()
	if r.MaxHourlyCost != 0 {
		cost = number(r.MaxHourlyCost)
	}
	return map[string]attr.Value{
		"infra":           text(r.Infra),
		"cloud":           text(r.Cloud),
		"region":          text(r.Region),
		"zone":            text(r.Zone),
		"instance_type":   text(r.InstanceType),
		"cpus":            text(r.CPUs),
		"memory":          text(r.Memory),
		"accelerators":    text(r.Accelerators),
		"use_spot":        types.BoolPointerValue(r.UseSpot),
		"disk_size":       text(r.DiskSize),
		"disk_tier":       text(r.DiskTier),
		"image_id":        text(r.ImageID),
		"ports":           text(r.Ports),
		"labels":          textMap(r.Labels),
		"max_hourly_cost": cost,
		"kubernetes":      nodesObject(r.Kubernetes),
	}
}

func metricObject(m *serve.ExternalMetric) types.Object {
	if m == nil {
		return types.ObjectNull(attributeTypes(metricAttributes()))
	}
	return types.ObjectValueMust(attributeTypes(metricAttributes()), map[string]attr.Value{
		"url": types.StringValue(m.URL), "field": text(m.Field), "target_per_replica": number(m.TargetPerReplica),
	})
}

// optionalNumber is null for 0.
func optionalNumber(v float64) types.Float64 {
	if v == 0 {
		return types.Float64Null()
	}
	return number(v)
}

func rollingObject(u *serve.RollingUpdate) types.Object {
	if u == nil {
		return types.ObjectNull(attributeTypes(rollingAttributes()))
	}
	return types.ObjectValueMust(attributeTypes(rollingAttributes()), map[string]attr.Value{
		"max_surge": integer(u.MaxSurge), "max_unavailable": integer(u.MaxUnavailable),
	})
}

func rollbackObject(r serve.Rollback) types.Object {
	return types.ObjectValueMust(attributeTypes(rollbackAttributes()), map[string]attr.Value{
		"enabled":      types.BoolValue(r.Enabled),
		"bake_seconds": number(r.BakeSeconds),
		"max_failures": integer(r.MaxFailures),
	})
}

// controllerObject is a controller of which only the place is known.
func controllerObject(infra, namespace string) types.Object {
	return types.ObjectValueMust(attributeTypes(controllerAttributes()), map[string]attr.Value{
		"infra":            types.StringValue(infra),
		"namespace":        text(namespace),
		"image":            types.StringNull(),
		"image_repository": types.StringNull(),
		"copies":           types.Int64Null(),
		"service":          types.ObjectNull(attributeTypes(controllerServiceAttributes())),
	})
}

// textMap gives null for a map that is empty.
// textList gives a list of texts, null for none.
func textList(texts []string) types.List {
	if len(texts) == 0 {
		return types.ListNull(types.StringType)
	}
	values := make([]attr.Value, len(texts))
	for i, text := range texts {
		values[i] = types.StringValue(text)
	}
	return types.ListValueMust(types.StringType, values)
}

// texts is the way back. What is not known yet keeps its place, and is empty.
func texts(ctx context.Context, list types.List, diags *diag.Diagnostics) []string {
	if !known(list) {
		return nil
	}
	var values []types.String
	diags.Append(list.ElementsAs(ctx, &values, false)...)
	var all []string
	for _, v := range values {
		all = append(all, v.ValueString())
	}
	return all
}

func textMap(m map[string]string) types.Map {
	if len(m) == 0 {
		return types.MapNull(types.StringType)
	}
	values := make(map[string]attr.Value, len(m))
	for k, v := range m {
		values[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, values)
}
