// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// spec gives what the model asks for. What is null or unknown has its default,
// so that any model gives a spec. Secrets and the content of TLS files are not
// in the model; see [serviceModel.withSecrets] and [readTLS].
func (m serviceModel) spec(ctx context.Context) (serve.Spec, diag.Diagnostics) {
	var diags diag.Diagnostics
	s := serve.NewSpec(m.Name.ValueString())
	m.probeInto(ctx, &s.ReadinessProbe, &diags)
	s.ReplicaPolicy = m.policy(ctx, &diags)
	if known(m.LoadBalancingPolicy) {
		s.LoadBalancingPolicy = serve.LoadBalancingPolicy(m.LoadBalancingPolicy.ValueString())
	}
	if known(m.UpdateMode) {
		s.UpdateMode = serve.UpdateMode(m.UpdateMode.ValueString())
	}
	if u, ok := decode[rollingModel](ctx, m.RollingUpdate, &diags); ok {
		s.RollingUpdate = &serve.RollingUpdate{MaxSurge: 1, MaxUnavailable: int(u.MaxUnavailable.ValueInt64())}
		if known(u.MaxSurge) {
			s.RollingUpdate.MaxSurge = int(u.MaxSurge.ValueInt64())
		}
	}
	rollback, _ := decode[rollbackModel](ctx, m.Rollback, &diags)
	if known(rollback.Enabled) {
		s.Rollback.Enabled = rollback.Enabled.ValueBool()
	}
	setFloat(&s.Rollback.BakeSeconds, rollback.BakeSeconds)
	if known(rollback.MaxFailures) {
		s.Rollback.MaxFailures = int(rollback.MaxFailures.ValueInt64())
	}
	m.balancerInto(ctx, &s.LoadBalancer, &diags)
	s.TLS = m.issued(ctx, &diags)
	s.Ports = int(m.Ports.ValueInt64())
	s.Resources = m.resources(ctx, &diags)
	s.Workdir = m.WorkdirDigest.ValueString()
	s.FileMounts = stringMap(ctx, m.FileMountsDigests, &diags)
	s.Setup = m.Setup.ValueString()
	s.Run = m.Run.ValueString()
	s.Envs = stringMap(ctx, m.Envs, &diags)
	return s, diags
}

func (m serviceModel) probeInto(ctx context.Context, p *serve.ReadinessProbe, diags *diag.Diagnostics) {
	probe, ok := decode[probeModel](ctx, m.ReadinessProbe, diags)
	if !ok {
		return
	}
	if known(probe.Path) {
		p.Path = probe.Path.ValueString()
	}
	p.PostData = probe.PostData.ValueString()
	p.Headers = stringMap(ctx, probe.Headers, diags)
	setFloat(&p.InitialDelaySeconds, probe.InitialDelaySeconds)
	setFloat(&p.TimeoutSeconds, probe.TimeoutSeconds)
	setFloat(&p.EndpointProbeIntervalSeconds, probe.EndpointProbeIntervalSeconds)
	setFloat(&p.ConsecutiveFailureThresholdTimeout, probe.ConsecutiveFailureThresholdTimeout)
}

// policy gives the policy that replicas and replica_policy ask for together.
func (m serviceModel) policy(ctx context.Context, diags *diag.Diagnostics) serve.ReplicaPolicy {
	if m.ReplicaPolicy.IsNull() || known(m.Replicas) {
		replicas := int64(1)
		if known(m.Replicas) {
			replicas = m.Replicas.ValueInt64()
		}
		return serve.FixedReplicas(int(replicas))
	}
	p := serve.NewSpec("").ReplicaPolicy
	policy, ok := decode[policyModel](ctx, m.ReplicaPolicy, diags)
	if !ok {
		return p
	}
	setInt(&p.MinReplicas, policy.MinReplicas)
	p.MaxReplicas = p.MinReplicas
	setInt(&p.MaxReplicas, policy.MaxReplicas)
	p.TargetQPSPerReplica = policy.qps(diags)
	p.TargetConcurrencyPerReplica = policy.TargetConcurrencyPerReplica.ValueFloat64()
	if m, ok := decode[metricModel](ctx, policy.ExternalMetric, diags); ok {
		p.ExternalMetric = &serve.ExternalMetric{URL: m.URL.ValueString(), Field: m.Field.ValueString(), TargetPerReplica: m.TargetPerReplica.ValueFloat64()}
	}
	p.Schedules = policy.schedules(ctx, diags)
	setInt(&p.NumOverprovision, policy.NumOverprovision)
	setFloat(&p.UpscaleDelaySeconds, policy.UpscaleDelaySeconds)
	setFloat(&p.DownscaleDelaySeconds, policy.DownscaleDelaySeconds)
	setInt(&p.BaseOndemandFallbackReplicas, policy.BaseOndemandFallbackReplicas)
	p.DynamicOndemandFallback = policy.DynamicOndemandFallback.ValueBool()
	setFloat(&p.DynamicOndemandFallbackDelaySeconds, policy.DynamicOndemandFallbackDelaySeconds)
	p.SpotPlacer = policy.SpotPlacer.ValueString()
	return p
}

func (m serviceModel) resources(ctx context.Context, diags *diag.Diagnostics) serve.Resources {
	r, _ := decode[resourcesModel](ctx, m.Resources, diags)
	outer := r.resource(ctx, diags)
	if k := outer.Kubernetes; k != nil && len(k.NodeSelector) == 0 && len(k.Tolerations) == 0 {
		// In an alternative it would take off what the outer description asks for;
		// out here there is nothing to take off, and {} is the same as nothing.
		outer.Kubernetes = nil
	}
	return serve.Resources{
		Resource: outer,
		AnyOf:    machines(ctx, r.AnyOf, diags),
		Ordered:  machines(ctx, r.Ordered, diags),
	}
}

// machines reads any_of or ordered. An entry that is unknown as a whole becomes
// one that leaves everything out.
func machines(ctx context.Context, list types.List, diags *diag.Diagnostics) []serve.Resource {
	if !known(list) {
		return nil
	}
	var entries []types.Object
	diags.Append(list.ElementsAs(ctx, &entries, false)...)
	var all []serve.Resource
	for _, e := range entries {
		m, _ := decode[machineModel](ctx, e, diags)
		all = append(all, m.resource(ctx, diags))
	}
	return all
}

func (m machineModel) resource(ctx context.Context, diags *diag.Diagnostics) serve.Resource {
	r := serve.Resource{
		Infra:         m.Infra.ValueString(),
		Cloud:         m.Cloud.ValueString(),
		Region:        m.Region.ValueString(),
		Zone:          m.Zone.ValueString(),
		InstanceType:  m.InstanceType.ValueString(),
		CPUs:          m.CPUs.ValueString(),
		Memory:        m.Memory.ValueString(),
		Accelerators:  m.Accelerators.ValueString(),
		DiskSize:      m.DiskSize.ValueString(),
		DiskTier:      m.DiskTier.ValueString(),
		ImageID:       m.ImageID.ValueString(),
		Ports:         m.Ports.ValueString(),
		Labels:        stringMap(ctx, m.Labels, diags),
		MaxHourlyCost: m.MaxHourlyCost.ValueFloat64(),
		Kubernetes:    nodes(ctx, m.Kubernetes, diags),
	}
	if known(m.UseSpot) {
		r.UseSpot = m.UseSpot.ValueBoolPointer()
	}
	return r
}

// withSecrets gives the spec with the secrets of the configuration, which is
// the only place that has them.
func (m serviceModel) withSecrets(ctx context.Context, s serve.Spec, diags *diag.Diagnostics) serve.Spec {
	s.Secrets = stringMap(ctx, m.SecretsWO, diags)
	return s
}

// known reports whether there is a value.
func known(v attr.Value) bool { return !v.IsNull() && !v.IsUnknown() }

// setFloat replaces a default by a value, if there is one.
func setFloat(to *float64, v types.Float64) {
	if known(v) {
		*to = v.ValueFloat64()
	}
}

// setInt replaces a default by a value, if there is one.
func setInt(to *int, v types.Int64) {
	if known(v) {
		*to = int(v.ValueInt64())
	}
}

// stringMap reads a map of strings, nil when there is none. Elements that are
// unknown are empty.
func stringMap(ctx context.Context, m types.Map, diags *diag.Diagnostics) map[string]string {
	if !known(m) || len(m.Elements()) == 0 {
		return nil
	}
	var values map[string]types.String
	diags.Append(m.ElementsAs(ctx, &values, false)...)
	out := make(map[string]string, len(values))
	for k, v := range values {
		out[k] = v.ValueString()
	}
	return out
}
