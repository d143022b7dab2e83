// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The document as SkyServe has it. What is at its default is left out, so that
// older controllers, which do not know the newer keys, take the file as well.
type (
	document struct {
		Name       string            `yaml:"name,omitempty"`
		Service    sectionOut        `yaml:"service"`
		Resources  resourcesOut      `yaml:"resources"`
		Workdir    string            `yaml:"workdir,omitempty"`
		FileMounts map[string]string `yaml:"file_mounts,omitempty"`
		Envs       map[string]string `yaml:"envs,omitempty"`
		Secrets    map[string]string `yaml:"secrets,omitempty"`
		Setup      string            `yaml:"setup,omitempty"`
		Run        string            `yaml:"run"`
	}
	sectionOut struct {
		ReadinessProbe      probeOut       `yaml:"readiness_probe"`
		Replicas            *int           `yaml:"replicas,omitempty"`
		ReplicaPolicy       *policyOut     `yaml:"replica_policy,omitempty"`
		LoadBalancingPolicy string         `yaml:"load_balancing_policy,omitempty"`
		LoadBalancer        map[string]any `yaml:"load_balancer,omitempty"`
		Ports               int            `yaml:"ports,omitempty"`
		TLS                 *tlsOut        `yaml:"tls,omitempty"`
	}
	tlsOut struct {
		Keyfile  string `yaml:"keyfile"`
		Certfile string `yaml:"certfile"`
	}
	probeOut struct {
		Path           string            `yaml:"path"`
		PostData       any               `yaml:"post_data,omitempty"`
		Headers        map[string]string `yaml:"headers,omitempty"`
		InitialDelay   *float64          `yaml:"initial_delay_seconds,omitempty"`
		Timeout        *float64          `yaml:"timeout_seconds,omitempty"`
		Interval       *float64          `yaml:"endpoint_probe_interval_seconds,omitempty"`
		FailureTimeout *float64          `yaml:"consecutive_failure_threshold_timeout,omitempty"`
	}
	policyOut struct {
		Min            int      `yaml:"min_replicas"`
		Max            *int     `yaml:"max_replicas,omitempty"`
		Target         any      `yaml:"target_qps_per_replica,omitempty"`
		AtOnce         float64  `yaml:"target_concurrency_per_replica,omitempty"`
		Metric         any      `yaml:"external_metric,omitempty"`
		Overprovision  int      `yaml:"num_overprovision,omitempty"`
		UpscaleDelay   *float64 `yaml:"upscale_delay_seconds,omitempty"`
		DownscaleDelay *float64 `yaml:"downscale_delay_seconds,omitempty"`
		Base           int      `yaml:"base_ondemand_fallback_replicas,omitempty"`
		Dynamic        bool     `yaml:"dynamic_ondemand_fallback,omitempty"`
		DynamicDelay   float64  `yaml:"dynamic_ondemand_fallback_delay_seconds,omitempty"`
		Placer         string   `yaml:"spot_placer,omitempty"`
	}
	resourcesOut struct {
		machineOut `yaml:",inline"`
		AnyOf      []machineOut `yaml:"any_of,omitempty"`
		Ordered    []machineOut `yaml:"ordered,omitempty"`
	}
	machineOut struct {
		Infra         string            `yaml:"infra,omitempty"`
		Cloud         string            `yaml:"cloud,omitempty"`
		Region        string            `yaml:"region,omitempty"`
		Zone          string            `yaml:"zone,omitempty"`
		InstanceType  string            `yaml:"instance_type,omitempty"`
		CPUs          string            `yaml:"cpus,omitempty"`
		Memory        string            `yaml:"memory,omitempty"`
		Accelerators  string            `yaml:"accelerators,omitempty"`
		UseSpot       *bool             `yaml:"use_spot,omitempty"`
		DiskSize      string            `yaml:"disk_size,omitempty"`
		DiskTier      string            `yaml:"disk_tier,omitempty"`
		ImageID       string            `yaml:"image_id,omitempty"`
		Ports         any               `yaml:"ports,omitempty"`
		Labels        map[string]string `yaml:"labels,omitempty"`
		MaxHourlyCost float64           `yaml:"max_hourly_cost,omitempty"`
	}
)

// Format writes a service as SkyServe YAML, with defaults left out. Parsing the
// text again gives the same service, unless a value of it looks like a variable
// that envs has. Secrets are written if s has them; see
// [serve.Spec.Redacted].
func Format(s Service) ([]byte, error) {
	doc := document{
		Name:       s.Name,
		Service:    formatSection(s),
		Resources:  resourcesOut{machineOut: formatMachine(s.Resources.Resource)},
		Workdir:    s.WorkdirPath,
		FileMounts: s.MountPaths,
		Envs:       s.Envs,
		Secrets:    s.Secrets,
		Setup:      s.Setup,
		Run:        s.Run,
	}
	for _, r := range s.Resources.AnyOf {
		doc.Resources.AnyOf = append(doc.Resources.AnyOf, formatMachine(r))
	}
	for _, r := range s.Resources.Ordered {
		doc.Resources.Ordered = append(doc.Resources.Ordered, formatMachine(r))
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("formatting service %q: %w", s.Name, err)
	}
	return out.Bytes(), nil
}

func formatSection(s Service) sectionOut {
	defaults := serve.NewSpec("")
	probe, usual := s.ReadinessProbe, defaults.ReadinessProbe
	out := sectionOut{
		ReadinessProbe: probeOut{
			Path:           probe.Path,
			PostData:       formatBody(probe.PostData),
			Headers:        probe.Headers,
			InitialDelay:   unless(probe.InitialDelaySeconds, usual.InitialDelaySeconds),
			Timeout:        unless(probe.TimeoutSeconds, usual.TimeoutSeconds),
			Interval:       unless(probe.EndpointProbeIntervalSeconds, usual.EndpointProbeIntervalSeconds),
			FailureTimeout: unless(probe.ConsecutiveFailureThresholdTimeout, usual.ConsecutiveFailureThresholdTimeout),
		},
		Ports: s.Ports,
	}
	if s.ReplicaPolicy.Fixed {
		out.Replicas = &s.ReplicaPolicy.MinReplicas
	} else {
		out.ReplicaPolicy = formatPolicy(s.ReplicaPolicy)
	}
	if s.LoadBalancingPolicy != defaults.LoadBalancingPolicy {
		out.LoadBalancingPolicy = string(s.LoadBalancingPolicy)
	}
	if s.LoadBalancer.StreamTimeoutSeconds != defaults.LoadBalancer.StreamTimeoutSeconds {
		out.LoadBalancer = map[string]any{"stream_timeout_seconds": s.LoadBalancer.StreamTimeoutSeconds}
	}
	if s.TLSFiles != nil {
		out.TLS = &tlsOut{s.TLSFiles.Keyfile, s.TLSFiles.Certfile}
	}
	return out
}

// formatBody gives a JSON object as a mapping, if it would come back the same
// (a number such as 1.0 would not), and otherwise its text.
func formatBody(body string) any {
	var object map[string]any
	if json.Unmarshal([]byte(body), &object) != nil {
		return orNil(body)
	}
	if again, err := canonical(object); err != nil || again != body {
		return body
	}
	return object
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func formatPolicy(p serve.ReplicaPolicy) *policyOut {
	usual := serve.NewSpec("").ReplicaPolicy
	out := policyOut{
		Min:            p.MinReplicas,
		Overprovision:  p.NumOverprovision,
		UpscaleDelay:   unless(p.UpscaleDelaySeconds, usual.UpscaleDelaySeconds),
		DownscaleDelay: unless(p.DownscaleDelaySeconds, usual.DownscaleDelaySeconds),
		Base:           p.BaseOndemandFallbackReplicas,
		Dynamic:        p.DynamicOndemandFallback,
		DynamicDelay:   p.DynamicOndemandFallbackDelaySeconds,
		Placer:         p.SpotPlacer,
	}
	if m := p.ExternalMetric; m != nil {
		out.Max, out.Metric = &p.MaxReplicas, map[string]any{"url": m.URL, "field": m.Field, "target_per_replica": m.TargetPerReplica}
	}
	if out.AtOnce = p.TargetConcurrencyPerReplica; out.AtOnce != 0 {
		out.Max = &p.MaxReplicas
	}
	if q := p.TargetQPSPerReplica; q != nil {
		out.Max = &p.MaxReplicas
		out.Target = q.Each
		if q.PerAccelerator != nil {
			out.Target = q.PerAccelerator
		}
	}
	return &out
}

func formatMachine(r serve.Resource) machineOut {
	return machineOut{
		Infra: r.Infra, Cloud: r.Cloud, Region: r.Region, Zone: r.Zone, InstanceType: r.InstanceType,
		CPUs: r.CPUs, Memory: r.Memory, Accelerators: r.Accelerators, UseSpot: r.UseSpot,
		DiskSize: r.DiskSize, DiskTier: r.DiskTier, ImageID: r.ImageID, Ports: formatPorts(r.Ports),
		Labels: r.Labels, MaxHourlyCost: r.MaxHourlyCost,
	}
}

// formatPorts gives a port as a number, several as a list.
func formatPorts(ports string) any {
	if ports == "" {
		return nil
	}
	var list []any
	for part := range strings.SplitSeq(ports, ",") {
		if port, err := strconv.Atoi(part); err == nil {
			list = append(list, port)
		} else {
			list = append(list, part)
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// unless gives v, or nil when it is what it is anyway.
func unless(v, usual float64) *float64 {
	if v == usual {
		return nil
	}
	return &v
}
