// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// Spec is what a user declares: the content of a serve_service resource, or of
// a SkyServe service YAML, with every default filled in (see [NewSpec]). Field
// names in JSON are SkyServe's.
type Spec struct {
	// Name identifies the service among all services of one deployer.
	Name                string              `json:"name"`
	ReadinessProbe      ReadinessProbe      `json:"readiness_probe"`
	ReplicaPolicy       ReplicaPolicy       `json:"replica_policy"`
	LoadBalancingPolicy LoadBalancingPolicy `json:"load_balancing_policy"`
	LoadBalancer        LoadBalancer        `json:"load_balancer"`
	UpdateMode          UpdateMode          `json:"update_mode"`
	Rollback            Rollback            `json:"rollback"`
	// RollingUpdate bounds a rolling update; nil launches all new replicas at once
	// and gives up no old one before.
	RollingUpdate *RollingUpdate `json:"rolling_update,omitempty"`
	// Ports is the one port that receives traffic when the resources open
	// several; 0 means the only port the resources open. See [Spec.Port].
	Ports int  `json:"ports,omitempty"`
	TLS   *TLS `json:"tls,omitempty"`
	// Task is what one replica runs. Two specs that differ outside of it only can
	// share their running replicas.
	Task
}

// Task is what one replica is: the machine it needs and what runs on it.
type Task struct {
	Resources Resources `json:"resources"`
	// Workdir is the digest of the bundle unpacked into the replica's working
	// directory, "sha256:<hex>", or empty.
	Workdir string `json:"workdir,omitempty"`
	// FileMounts maps a path on the replica to the digest of the bundle put there.
	FileMounts map[string]string `json:"file_mounts,omitempty"`
	// Setup is a shell script run once before Run.
	Setup string `json:"setup,omitempty"`
	// Run is the shell script that is the server.
	Run string `json:"run"`
	// Envs and Secrets are environment variables of Setup and Run. Secrets are
	// left out of everything that is shown; see [Spec.Redacted].
	Envs    map[string]string `json:"envs,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"`
}

// ReadinessProbe says how a replica is asked whether it can take traffic: a GET
// of Path (a POST when PostData is set) that must answer 200.
type ReadinessProbe struct {
	Path string `json:"path"`
	// PostData is a JSON document, or empty.
	PostData string            `json:"post_data,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	// InitialDelaySeconds is how long a replica that has never been ready may
	// fail its probes, counted from the first failure.
	InitialDelaySeconds float64 `json:"initial_delay_seconds"`
	// TimeoutSeconds bounds one probe.
	TimeoutSeconds float64 `json:"timeout_seconds"`
	// EndpointProbeIntervalSeconds is the pause between two probes.
	EndpointProbeIntervalSeconds float64 `json:"endpoint_probe_interval_seconds"`
	// ConsecutiveFailureThresholdTimeout is for how many seconds a replica that
	// was ready may go on failing before it is replaced.
	ConsecutiveFailureThresholdTimeout float64 `json:"consecutive_failure_threshold_timeout"`
}

// ReplicaPolicy says how many replicas there are, and in which market.
type ReplicaPolicy struct {
	// Fixed records that the user asked for a plain number, replicas = N; then
	// MinReplicas = MaxReplicas = N.
	Fixed       bool `json:"fixed,omitempty"`
	MinReplicas int  `json:"min_replicas"`
	MaxReplicas int  `json:"max_replicas"`
	// TargetQPSPerReplica switches autoscaling on; nil leaves MinReplicas replicas.
	TargetQPSPerReplica *QPS `json:"target_qps_per_replica,omitempty"`
	// TargetConcurrencyPerReplica is how many requests one replica is meant to have
	// under way at a time; 0 for none. Of the two targets that counts which asks for
	// more replicas.
	TargetConcurrencyPerReplica float64 `json:"target_concurrency_per_replica,omitempty"`
	// ExternalMetric is a number from elsewhere to scale by as well; nil for none.
	ExternalMetric *ExternalMetric `json:"external_metric,omitempty"`
	// Schedules have other limits in force at certain hours. Of several the first
	// counts.
	Schedules []Schedule `json:"schedules,omitempty"`
	// NumOverprovision is the number of replicas kept beyond the target; they are
	// never replaced by on-demand ones.
	NumOverprovision      int     `json:"num_overprovision,omitempty"`
	UpscaleDelaySeconds   float64 `json:"upscale_delay_seconds"`
	DownscaleDelaySeconds float64 `json:"downscale_delay_seconds"`
	// BaseOndemandFallbackReplicas is the number of replicas that are always on-demand.
	BaseOndemandFallbackReplicas int `json:"base_ondemand_fallback_replicas,omitempty"`
	// DynamicOndemandFallback lets on-demand replicas stand in for spot replicas
	// that are not ready.
	DynamicOndemandFallback bool `json:"dynamic_ondemand_fallback,omitempty"`
	// DynamicOndemandFallbackDelaySeconds is for how long a spot replica that was
	// ready may fail its probes before an on-demand one is started for it. Spot
	// replicas that are gone or have never been ready are stood in for at once.
	DynamicOndemandFallbackDelaySeconds float64 `json:"dynamic_ondemand_fallback_delay_seconds,omitempty"`
	// SpotPlacer names the rule that spreads spot replicas over locations; empty
	// is the default rule.
	SpotPlacer string `json:"spot_placer,omitempty"`
}

// FixedReplicas is the policy that replicas = n stands for.
func FixedReplicas(n int) ReplicaPolicy {
	p := NewSpec("").ReplicaPolicy
	p.Fixed, p.MinReplicas, p.MaxReplicas = true, n, n
	return p
}

// Scales reports whether the number of replicas follows the load.
func (p ReplicaPolicy) Scales() bool {
	return p.TargetQPSPerReplica != nil || p.TargetConcurrencyPerReplica != 0 || p.ExternalMetric != nil
}

// ExternalMetric is a number that the controller asks for by HTTP, such as the
// length of a queue, and how much of it one replica is meant for.
type ExternalMetric struct {
	// URL is asked by a GET, which must answer 200.
	URL string `json:"url"`
	// Field is where the number is in an answer that is a JSON document, as names and
	// indexes with dots between; empty if the answer is the number.
	Field            string  `json:"field,omitempty"`
	TargetPerReplica float64 `json:"target_per_replica"`
}

// UsesFallback reports whether the policy mixes spot and on-demand replicas.
func (p ReplicaPolicy) UsesFallback() bool {
	return p.DynamicOndemandFallback || p.BaseOndemandFallbackReplicas > 0
}

// QPS is a number of requests per second one replica is meant to take: the same
// for all, or one for each kind of accelerator.
type QPS struct {
	Each           float64
	PerAccelerator map[string]float64
}

// MarshalJSON writes SkyServe's form: a number, or an object of numbers.
func (q QPS) MarshalJSON() ([]byte, error) {
	if q.PerAccelerator != nil {
		return json.Marshal(q.PerAccelerator)
	}
	return json.Marshal(q.Each)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (q *QPS) UnmarshalJSON(data []byte) error {
	*q = QPS{}
	if json.Unmarshal(data, &q.Each) == nil {
		return nil
	}
	if err := json.Unmarshal(data, &q.PerAccelerator); err != nil {
		return fmt.Errorf("reading target_qps_per_replica: neither a number nor a map of numbers: %w", err)
	}
	return nil
}

// LoadBalancingPolicy names the rule by which the endpoint picks a replica for
// a request.
type LoadBalancingPolicy string

// The load balancing policies.
const (
	LeastLoad              LoadBalancingPolicy = "least_load"
	RoundRobin             LoadBalancingPolicy = "round_robin"
	InstanceAwareLeastLoad LoadBalancingPolicy = "instance_aware_least_load"
)

// LoadBalancingPolicies lists every policy, the default first.
func LoadBalancingPolicies() []LoadBalancingPolicy {
	return []LoadBalancingPolicy{LeastLoad, RoundRobin, InstanceAwareLeastLoad}
}

// UpdateMode names the rule by which a new revision takes over from the old one.
type UpdateMode string

// The update modes.
const (
	// Rolling gives up an old replica for each new one that is ready, and all that
	// are ready serve.
	Rolling UpdateMode = "rolling"
	// BlueGreen has one revision serve at any time: all requests change over to the
	// new one at the moment when it carries as much as the old one.
	BlueGreen UpdateMode = "blue_green"
)

// UpdateModes lists every mode, the default first.
func UpdateModes() []UpdateMode { return []UpdateMode{Rolling, BlueGreen} }

// RollingUpdate bounds a rolling update at every instant, in the words of
// Kubernetes. While old replicas serve, there are never more machines than wanted
// and MaxSurge, and never fewer replicas ready than wanted less MaxUnavailable, as
// far as the update is to blame.
type RollingUpdate struct {
	MaxSurge       int `json:"max_surge"`
	MaxUnavailable int `json:"max_unavailable"`
}

// Rollback says when a new revision is given up for the last good one.
type Rollback struct {
	// Enabled lets the controller go back by itself.
	Enabled bool `json:"enabled"`
	// BakeSeconds is for how long all replicas of a revision must be ready before
	// it is good: until then it can be given up, and from then on it is what later
	// revisions go back to.
	BakeSeconds float64 `json:"bake_seconds"`
	// MaxFailures is how many replicas in a row may fail before it is given up, of
	// those that were there at the same time only the first. A replica that fails
	// for good before any of its revision was ready is enough by itself.
	MaxFailures int `json:"max_failures"`
}

// The spot placers.
const (
	// SteadyPlacer is the default: the cheapest place in the long run, by what it
	// costs and by how often it has lost machines, never more than half of the
	// replicas in one place if another is nearly as cheap, and in rough times more
	// on-demand stand-ins and spares.
	SteadyPlacer = "steady"
	// DynamicFallbackPlacer is SkyServe's.
	DynamicFallbackPlacer = "dynamic_fallback"
	// SpotHedgePlacer is that of the SpotHedge paper as it was measured there,
	// with one replica of overprovision. It is there to be compared with.
	SpotHedgePlacer = "spothedge_ae"
)

// SpotPlacers lists every placer, the default first.
func SpotPlacers() []string {
	return []string{SteadyPlacer, DynamicFallbackPlacer, SpotHedgePlacer}
}

// LoadBalancer tunes the endpoint.
type LoadBalancer struct {
	// StreamTimeoutSeconds bounds the silence within one response.
	StreamTimeoutSeconds float64 `json:"stream_timeout_seconds"`
	// DrainTimeoutSeconds is what requests under way get before the replica that
	// they are at is ended. The deadline of a notice wins.
	DrainTimeoutSeconds float64 `json:"drain_timeout_seconds"`
	// MaxRequestBytes bounds the body of a request; 0 does not.
	MaxRequestBytes int64 `json:"max_request_bytes,omitempty"`
	// APIKeyDigests are the SHA-256 digests, in hexadecimal, of keys of which every
	// request must show one; none lets every request in. Keys that are long and
	// random cannot be found from them, so that they are no secrets.
	APIKeyDigests []string `json:"api_key_digests,omitempty"`
	// SessionAffinity keeps the requests of a session together; nil does not.
	SessionAffinity *SessionAffinity `json:"session_affinity,omitempty"`
	// AccessLog has the controller note every request in its log.
	AccessLog bool `json:"access_log,omitempty"`
}

// SessionAffinity says what tells sessions apart: a cookie, which clients that have
// none are given, or a header.
type SessionAffinity struct {
	Cookie string `json:"cookie,omitempty"`
	Header string `json:"header,omitempty"`
}

// TLS makes the endpoint speak HTTPS, with a certificate that is given, or with those
// that an authority issues.
type TLS struct {
	// Certificate and Key are PEM documents.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
	ACME        *ACME  `json:"acme,omitempty"`
}

// NewSpec gives a spec with every default in place. The values are SkyServe's
// (reference section 1.1).
func NewSpec(name string) Spec {
	return Spec{
		Name: name,
		ReadinessProbe: ReadinessProbe{
			Path:                               "/",
			InitialDelaySeconds:                1200,
			TimeoutSeconds:                     15,
			EndpointProbeIntervalSeconds:       10,
			ConsecutiveFailureThresholdTimeout: 180,
		},
		ReplicaPolicy: ReplicaPolicy{
			MinReplicas:           1,
			MaxReplicas:           1,
			UpscaleDelaySeconds:   300,
			DownscaleDelaySeconds: 1200,
		},
		LoadBalancingPolicy: LeastLoad,
		LoadBalancer:        LoadBalancer{StreamTimeoutSeconds: 120, DrainTimeoutSeconds: 120},
		UpdateMode:          Rolling,
		Rollback:            Rollback{Enabled: true, MaxFailures: 3},
	}
}

// Redacted gives the spec without its secrets: the names of the secret
// variables stay, their values and the TLS key do not.
func (s Spec) Redacted() Spec {
	if s.TLS != nil {
		s.TLS = &TLS{Certificate: s.TLS.Certificate, ACME: s.TLS.ACME}
	}
	if s.Secrets != nil {
		s.Secrets = maps.Clone(s.Secrets)
		for name := range s.Secrets {
			s.Secrets[name] = ""
		}
	}
	return s
}

// Seconds turns a number of seconds, as specs hold them, into a duration.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
