// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// serviceModel is a serve_service as Terraform holds it, in configuration, plan
// and state. Every field may be null or unknown.
type serviceModel struct {
	Name                types.String `tfsdk:"name"`
	ReadinessProbe      types.Object `tfsdk:"readiness_probe"`
	Replicas            types.Int64  `tfsdk:"replicas"`
	ReplicaPolicy       types.Object `tfsdk:"replica_policy"`
	Resources           types.Object `tfsdk:"resources"`
	Ports               types.Int64  `tfsdk:"ports"`
	LoadBalancingPolicy types.String `tfsdk:"load_balancing_policy"`
	UpdateMode          types.String `tfsdk:"update_mode"`
	Rollback            types.Object `tfsdk:"rollback"`
	RollingUpdate       types.Object `tfsdk:"rolling_update"`
	LoadBalancer        types.Object `tfsdk:"load_balancer"`
	TLS                 types.Object `tfsdk:"tls"`
	TLSDigest           types.String `tfsdk:"tls_digest"`
	Workdir             types.String `tfsdk:"workdir"`
	WorkdirDigest       types.String `tfsdk:"workdir_digest"`
	FileMounts          types.Map    `tfsdk:"file_mounts"`
	FileMountsDigests   types.Map    `tfsdk:"file_mounts_digests"`
	Setup               types.String `tfsdk:"setup"`
	Run                 types.String `tfsdk:"run"`
	Envs                types.Map    `tfsdk:"envs"`
	SecretsWO           types.Map    `tfsdk:"secrets_wo"`
	SecretsWOVersion    types.Int64  `tfsdk:"secrets_wo_version"`
	Controller          types.Object `tfsdk:"controller"`
	CloudsWO            types.Object `tfsdk:"cloud_credentials_wo"`
	CloudsWOVersion     types.Int64  `tfsdk:"cloud_credentials_wo_version"`
	// MadeIn is the namespace in which a service was made that names none; see
	// service_place.go.
	MadeIn       string         `tfsdk:"-"`
	WaitForReady types.Bool     `tfsdk:"wait_for_ready"`
	Timeouts     timeouts.Value `tfsdk:"timeouts"`

	ID            types.String `tfsdk:"id"`
	Endpoint      types.String `tfsdk:"endpoint"`
	CreatedAt     types.String `tfsdk:"created_at"`
	Revision      types.Int64  `tfsdk:"revision"`
	Status        types.Object `tfsdk:"status"`
	ReplicaStatus types.Map    `tfsdk:"replica_status"`
}

// probeModel is readiness_probe.
type probeModel struct {
	Path                               types.String  `tfsdk:"path"`
	PostData                           types.String  `tfsdk:"post_data"`
	Headers                            types.Map     `tfsdk:"headers"`
	InitialDelaySeconds                types.Float64 `tfsdk:"initial_delay_seconds"`
	TimeoutSeconds                     types.Float64 `tfsdk:"timeout_seconds"`
	EndpointProbeIntervalSeconds       types.Float64 `tfsdk:"endpoint_probe_interval_seconds"`
	ConsecutiveFailureThresholdTimeout types.Float64 `tfsdk:"consecutive_failure_threshold_timeout"`
}

// policyModel is replica_policy.
type policyModel struct {
	MinReplicas                         types.Int64   `tfsdk:"min_replicas"`
	MaxReplicas                         types.Int64   `tfsdk:"max_replicas"`
	TargetQPSPerReplica                 types.Dynamic `tfsdk:"target_qps_per_replica"`
	TargetConcurrencyPerReplica         types.Float64 `tfsdk:"target_concurrency_per_replica"`
	ExternalMetric                      types.Object  `tfsdk:"external_metric"`
	Schedules                           types.List    `tfsdk:"schedules"`
	NumOverprovision                    types.Int64   `tfsdk:"num_overprovision"`
	UpscaleDelaySeconds                 types.Float64 `tfsdk:"upscale_delay_seconds"`
	DownscaleDelaySeconds               types.Float64 `tfsdk:"downscale_delay_seconds"`
	BaseOndemandFallbackReplicas        types.Int64   `tfsdk:"base_ondemand_fallback_replicas"`
	DynamicOndemandFallback             types.Bool    `tfsdk:"dynamic_ondemand_fallback"`
	DynamicOndemandFallbackDelaySeconds types.Float64 `tfsdk:"dynamic_ondemand_fallback_delay_seconds"`
	SpotPlacer                          types.String  `tfsdk:"spot_placer"`
}

// resourcesModel is resources.
type resourcesModel struct {
	machineModel
	AnyOf   types.List `tfsdk:"any_of"`
	Ordered types.List `tfsdk:"ordered"`
}

// machineModel is what resources and each of its alternatives have in common.
type machineModel struct {
	Infra         types.String  `tfsdk:"infra"`
	Cloud         types.String  `tfsdk:"cloud"`
	Region        types.String  `tfsdk:"region"`
	Zone          types.String  `tfsdk:"zone"`
	InstanceType  types.String  `tfsdk:"instance_type"`
	CPUs          types.String  `tfsdk:"cpus"`
	Memory        types.String  `tfsdk:"memory"`
	Accelerators  types.String  `tfsdk:"accelerators"`
	UseSpot       types.Bool    `tfsdk:"use_spot"`
	DiskSize      types.String  `tfsdk:"disk_size"`
	DiskTier      types.String  `tfsdk:"disk_tier"`
	ImageID       types.String  `tfsdk:"image_id"`
	Ports         types.String  `tfsdk:"ports"`
	Labels        types.Map     `tfsdk:"labels"`
	MaxHourlyCost types.Float64 `tfsdk:"max_hourly_cost"`
	Kubernetes    types.Object  `tfsdk:"kubernetes"`
}

// nodesModel is kubernetes of a machine.
type nodesModel struct {
	NodeSelector types.Map  `tfsdk:"node_selector"`
	Tolerations  types.List `tfsdk:"tolerations"`
}

// tolerationModel is one of tolerations.
type tolerationModel struct {
	Key      types.String `tfsdk:"key"`
	Operator types.String `tfsdk:"operator"`
	Value    types.String `tfsdk:"value"`
	Effect   types.String `tfsdk:"effect"`
}

// loadBalancerModel is load_balancer.
type loadBalancerModel struct {
	StreamTimeoutSeconds types.Float64 `tfsdk:"stream_timeout_seconds"`
	DrainTimeoutSeconds  types.Float64 `tfsdk:"drain_timeout_seconds"`
	MaxRequestBytes      types.Int64   `tfsdk:"max_request_bytes"`
	APIKeyDigests        types.List    `tfsdk:"api_key_digests"`
	SessionAffinity      types.Object  `tfsdk:"session_affinity"`
	AccessLog            types.Bool    `tfsdk:"access_log"`
}

// affinityModel is session_affinity within it.
type affinityModel struct {
	Cookie types.String `tfsdk:"cookie"`
	Header types.String `tfsdk:"header"`
}

// scheduleModel is one of the schedules.
type scheduleModel struct {
	Days        types.List   `tfsdk:"days"`
	From        types.String `tfsdk:"from"`
	To          types.String `tfsdk:"to"`
	TimeZone    types.String `tfsdk:"time_zone"`
	MinReplicas types.Int64  `tfsdk:"min_replicas"`
	MaxReplicas types.Int64  `tfsdk:"max_replicas"`
}

// metricModel is external_metric within it.
type metricModel struct {
	URL              types.String  `tfsdk:"url"`
	Field            types.String  `tfsdk:"field"`
	TargetPerReplica types.Float64 `tfsdk:"target_per_replica"`
}

// rollingModel is rolling_update.
type rollingModel struct {
	MaxSurge       types.Int64 `tfsdk:"max_surge"`
	MaxUnavailable types.Int64 `tfsdk:"max_unavailable"`
}

// rollbackModel is rollback.
type rollbackModel struct {
	Enabled     types.Bool    `tfsdk:"enabled"`
	BakeSeconds types.Float64 `tfsdk:"bake_seconds"`
	MaxFailures types.Int64   `tfsdk:"max_failures"`
}

// tlsModel is tls.
type tlsModel struct {
	KeyFile  types.String `tfsdk:"keyfile"`
	CertFile types.String `tfsdk:"certfile"`
	ACME     types.Object `tfsdk:"acme"`
}

// acmeModel is tls.acme.
type acmeModel struct {
	Domains      types.List   `tfsdk:"domains"`
	AgreeToTerms types.Bool   `tfsdk:"agree_to_terms"`
	Email        types.String `tfsdk:"email"`
	DirectoryURL types.String `tfsdk:"directory_url"`
}

// controllerModel is controller.
type controllerModel struct {
	Infra           types.String `tfsdk:"infra"`
	Namespace       types.String `tfsdk:"namespace"`
	Image           types.String `tfsdk:"image"`
	ImageRepository types.String `tfsdk:"image_repository"`
	Copies          types.Int64  `tfsdk:"copies"`
	Service         types.Object `tfsdk:"service"`
}

// controllerServiceModel is service in controller.
type controllerServiceModel struct {
	Type        types.String `tfsdk:"type"`
	Annotations types.Map    `tfsdk:"annotations"`
}

// statusModel is status.
type statusModel struct {
	Phase    types.String `tfsdk:"phase"`
	Ready    types.Int64  `tfsdk:"ready"`
	Total    types.Int64  `tfsdk:"total"`
	Spot     types.Int64  `tfsdk:"spot"`
	OnDemand types.Int64  `tfsdk:"on_demand"`
	Failed   types.Int64  `tfsdk:"failed"`
	Message  types.String `tfsdk:"message"`
}

// decode reads an object into a model. Of an object that is null or unknown it
// gives a model of nulls, and false.
func decode[T any](ctx context.Context, o types.Object, diags *diag.Diagnostics) (model T, ok bool) {
	if o.IsNull() || o.IsUnknown() {
		return model, false
	}
	diags.Append(o.As(ctx, &model, basetypes.ObjectAsOptions{})...)
	return model, !diags.HasError()
}

// infra gives where the controller is to run, or "" while that is not known.
func (m serviceModel) infra(ctx context.Context, diags *diag.Diagnostics) (infra, namespace string) {
	c, _ := decode[controllerModel](ctx, m.Controller, diags)
	if c.Namespace.IsUnknown() {
		return "", ""
	}
	return c.Infra.ValueString(), c.Namespace.ValueString()
}
