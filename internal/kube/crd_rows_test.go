// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// plain is a valid spec without anything special.
func plain() serve.Spec {
	s := serve.NewSpec("web")
	s.Run, s.Resources.Ports = "python3 server.py", "8081"
	return s
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func digest() string { return "sha256:" + strings.Repeat("0a", 32) }

// validSpecs are changes that leave a spec valid. All of them must pass through
// the API server unchanged.
func validSpecs() map[string]func(*serve.Spec) {
	scaling := func(s *serve.Spec) {
		s.ReplicaPolicy.MinReplicas, s.ReplicaPolicy.MaxReplicas = 2, 3
		s.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{Each: 1}
	}
	return map[string]func(*serve.Spec){
		"nothing special":     func(*serve.Spec) {},
		"a probe with a path": func(s *serve.Spec) { s.ReadinessProbe.Path = "/health?deep=1" },
		"a probe with a body": func(s *serve.Spec) { s.ReadinessProbe.PostData = `{"a":1}` },
		"a probe with headers": func(s *serve.Spec) {
			s.ReadinessProbe.Headers = map[string]string{"Authorization": "Bearer x\ty", "X-Y": ""}
		},
		"no grace":              func(s *serve.Spec) { s.ReadinessProbe.InitialDelaySeconds = 0 },
		"the shortest deadline": func(s *serve.Spec) { s.ReadinessProbe.TimeoutSeconds = 0.001 },
		"no replica":            func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(0) },
		"five replicas":         func(s *serve.Spec) { s.ReplicaPolicy = serve.FixedReplicas(5) },
		"scaling from zero":     func(s *serve.Spec) { scaling(s); s.ReplicaPolicy.MinReplicas = 0 },
		"every field of a policy": func(s *serve.Spec) {
			scaling(s)
			s.Resources.UseSpot = yes()
			s.ReplicaPolicy.BaseOndemandFallbackReplicas = 3
			s.ReplicaPolicy.DynamicOndemandFallback = true
			s.ReplicaPolicy.DynamicOndemandFallbackDelaySeconds = 30.5
			s.ReplicaPolicy.SpotPlacer = serve.DynamicFallbackPlacer
			s.ReplicaPolicy.NumOverprovision = 2
			s.Resources.AnyOf = []serve.Resource{{Infra: "aws/us-east-1"}, {Infra: "gcp"}, {Infra: "k8s/team/context/more/parts"}}
		},
		"a target for each accelerator": func(s *serve.Spec) {
			scaling(s)
			s.LoadBalancingPolicy = serve.InstanceAwareLeastLoad
			s.ReplicaPolicy.TargetQPSPerReplica = &serve.QPS{PerAccelerator: map[string]float64{"A100-80GB:8": 2.5, "A10g": 1}}
		},
		"alternatives that are all spot": func(s *serve.Spec) { s.Resources.AnyOf = []serve.Resource{{UseSpot: yes()}, {UseSpot: yes()}} },
		"alternatives that are all not":  func(s *serve.Spec) { s.Resources.Ordered = []serve.Resource{{UseSpot: no()}, {}} },
		"ports in the alternatives": func(s *serve.Spec) {
			s.Resources.Ports, s.Resources.AnyOf = "", []serve.Resource{{Ports: "80"}, {Ports: "80"}}
		},
		"several ports": func(s *serve.Spec) { s.Resources.Ports, s.Ports = "8080, 8081 - 9000,00080", 8080 },
		"any ground": func(s *serve.Spec) {
			s.Resources.AnyOf = []serve.Resource{{Infra: "aws/*/us-east-1a"}, {Infra: "*/us-east1"}, {Infra: "*"}, {Infra: "GCP/europe-west12"}}
		},
		"alternatives in the old spelling": func(s *serve.Spec) {
			s.Resources.AnyOf = []serve.Resource{{Cloud: "AWS", Region: "us-gov-west-1", Zone: "us-gov-west-1a"}}
		},
		"every field of a machine": func(s *serve.Spec) {
			s.Resources.Resource = serve.Resource{
				Infra: "aws/us-east-1", InstanceType: "m5.large", CPUs: "2.5+", Memory: "32GiB+", Accelerators: "A100-80GB:0.5", DiskSize: "1TB",
				DiskTier: "best", ImageID: "docker:nginx:1.27", Ports: "8081", Labels: map[string]string{"Team Name": "x y"}, MaxHourlyCost: 1.5,
			}
		},
		"nodes of a cluster": func(s *serve.Spec) {
			s.Resources.AnyOf = []serve.Resource{{Infra: "kubernetes", Kubernetes: &serve.KubernetesOptions{
				NodeSelector: map[string]string{"example.com/pool": "gpu", "empty": ""},
				Tolerations: []serve.Toleration{
					{Operator: "Exists"}, {Key: "example.com/gpu", Operator: "Equal", Value: "yes", Effect: "NoSchedule"}, {Key: "x"},
				},
			}}, {Infra: "local"}}
		},
		"files, variables and secrets": func(s *serve.Spec) {
			s.Workdir = digest()
			s.FileMounts = map[string]string{"/data": digest(), "~/conf": digest(), "model/x..y": digest(), "/.hidden": digest()}
			s.Setup = "true"
			s.Envs = map[string]string{"_A1": "", "PORTS": "x"}
			s.Secrets = map[string]string{"TOKEN": "secret"}
		},
		"every setting of the endpoint": func(s *serve.Spec) {
			s.LoadBalancer = serve.LoadBalancer{
				StreamTimeoutSeconds: 60, DrainTimeoutSeconds: 0, MaxRequestBytes: 1 << 40, APIKeyDigests: []string{strings.Repeat("0a", 32), strings.Repeat("0b", 32)},
				SessionAffinity: &serve.SessionAffinity{Cookie: "sid"}, AccessLog: true,
			}
		},
		"sessions by a header": func(s *serve.Spec) { s.LoadBalancer.SessionAffinity = &serve.SessionAffinity{Header: "X-Session-Id"} },
		"blue-green":           func(s *serve.Spec) { s.UpdateMode = serve.BlueGreen },
		"scaling by what is under way": func(s *serve.Spec) {
			s.ReplicaPolicy.MinReplicas, s.ReplicaPolicy.MaxReplicas, s.ReplicaPolicy.TargetConcurrencyPerReplica = 0, 3, 2.5
		},
		"scaling by a metric": func(s *serve.Spec) {
			s.ReplicaPolicy.MinReplicas, s.ReplicaPolicy.MaxReplicas = 0, 3
			s.ReplicaPolicy.ExternalMetric = &serve.ExternalMetric{URL: "https://queue.example.com:8080/stats?x=1", Field: "queues.0.length", TargetPerReplica: 2.5}
		},
		"hours": func(s *serve.Spec) {
			s.ReplicaPolicy.MinReplicas, s.ReplicaPolicy.MaxReplicas = 1, 1
			s.ReplicaPolicy.Schedules = []serve.Schedule{
				{Days: []string{"mon", "sun"}, From: "00:00", To: "23:59", TimeZone: "America/Argentina/Buenos_Aires", MinReplicas: 3, MaxReplicas: 3},
				{From: "22:00", To: "06:00"},
			}
		},
		"a bounded update":   func(s *serve.Spec) { s.RollingUpdate = &serve.RollingUpdate{MaxSurge: 0, MaxUnavailable: 2} },
		"never rolled back":  func(s *serve.Spec) { s.Rollback = serve.Rollback{} },
		"baked before trust": func(s *serve.Spec) { s.Rollback.BakeSeconds = 60.25 },
	}
}

// mistake is something wrong in spec.service, and what must be said of it. Late
// ones are those that the API server cannot find.
type wrong struct {
	service, says string
	late          bool
}

func mistakes() map[string]wrong {
	return map[string]wrong{
		"nothing to run":                  {service: `{"run":" \n"}`, says: "run"},
		"a field nobody knows":            {service: `{"replicas":3}`, says: "unknown field"},
		"a path without a slash":          {service: `{"readiness_probe":{"path":"health"}}`, says: "path"},
		"a path with a space":             {service: `{"readiness_probe":{"path":"/a b"}}`, says: "path"},
		"a body that is not JSON":         {service: `{"readiness_probe":{"post_data":"{"}}`, says: "not valid JSON", late: true},
		"a header with a space":           {service: `{"readiness_probe":{"headers":{"a b":"c"}}}`, says: "HTTP header"},
		"a header with a line break":      {service: `{"readiness_probe":{"headers":{"a":"b\nc"}}}`, says: "headers.a"},
		"no time for a probe":             {service: `{"readiness_probe":{"timeout_seconds":0}}`, says: "timeout_seconds"},
		"a negative delay":                {service: `{"readiness_probe":{"initial_delay_seconds":-1}}`, says: "initial_delay_seconds"},
		"a delay without end":             {service: `{"replica_policy":{"upscale_delay_seconds":1e10}}`, says: "upscale_delay_seconds"},
		"fewer than no replicas":          {service: `{"replica_policy":{"min_replicas":-1}}`, says: "min_replicas"},
		"too many replicas":               {service: `{"replica_policy":{"min_replicas":10001}}`, says: "min_replicas"},
		"less at most than at least":      {service: `{"replica_policy":{"min_replicas":3,"max_replicas":2,"target_qps_per_replica":1}}`, says: "less than min_replicas"},
		"a range and nothing to scale by": {service: `{"replica_policy":{"min_replicas":1,"max_replicas":2}}`, says: "nothing scales between them", late: true},
		"a target of nothing":             {service: `{"replica_policy":{"target_qps_per_replica":0}}`, says: "target_qps_per_replica"},
		"a target of nothing under way":   {service: `{"replica_policy":{"target_concurrency_per_replica":0}}`, says: "target_concurrency_per_replica"},
		"a metric that cannot be asked":   {service: `{"replica_policy":{"external_metric":{"url":"queue","target_per_replica":1}}}`, says: "external_metric.url"},
		"a metric for nobody":             {service: `{"replica_policy":{"external_metric":{"url":"http://queue","target_per_replica":0}}}`, says: "target_per_replica"},
		"a day that is none":              {service: `{"replica_policy":{"schedules":[{"days":["monday"],"from":"08:00","to":"09:00","min_replicas":1}]}}`, says: "days"},
		"an hour that is none":            {service: `{"replica_policy":{"schedules":[{"from":"25:00","to":"09:00","min_replicas":1}]}}`, says: "from"},
		"a zone that is none":             {service: `{"replica_policy":{"schedules":[{"from":"08:00","to":"09:00","min_replicas":1,"time_zone":"Nowhere"}]}}`, says: "time zone", late: true},
		"a target of no accelerator":      {service: `{"replica_policy":{"target_qps_per_replica":{}}}`, says: "target_qps_per_replica"},
		"a target in words":               {service: `{"replica_policy":{"target_qps_per_replica":"much"}}`, says: "neither a number nor a map", late: true},
		"a base above the most":           {service: `{"replica_policy":{"base_ondemand_fallback_replicas":2},"resources":{"ports":1,"use_spot":true}}`, says: "more than max_replicas"},
		"a delay of no fallback":          {service: `{"replica_policy":{"dynamic_ondemand_fallback_delay_seconds":5}}`, says: "no fallback to delay"},
		"an unknown placer":               {service: `{"replica_policy":{"spot_placer":"best"}}`, says: "spot_placer"},
		"a fixed number and more":         {service: `{"replica_policy":{"fixed":true,"min_replicas":2,"num_overprovision":1}}`, says: "fixed number of replicas"},
		"an unknown load balancing":       {service: `{"load_balancing_policy":"random"}`, says: "load_balancing_policy"},
		"one target for all":              {service: `{"load_balancing_policy":"instance_aware_least_load","replica_policy":{"target_qps_per_replica":1}}`, says: "target for each accelerator", late: true},
		"a fixed number for all":          {service: `{"load_balancing_policy":"instance_aware_least_load","replica_policy":{"fixed":true}}`, says: "a fixed number of replicas has not"},
		"an unknown update mode":          {service: `{"update_mode":"canary"}`, says: "update_mode"},
		"an update that cannot go on":     {service: `{"rolling_update":{"max_surge":0}}`, says: "nothing could ever be replaced"},
		"a bound of no rolling update":    {service: `{"rolling_update":{},"update_mode":"blue_green"}`, says: "rolling_update is for"},
		"no failure at most":              {service: `{"rollback":{"max_failures":0}}`, says: "0 failures cannot be the most"},
		"a negative drain":                {service: `{"load_balancer":{"drain_timeout_seconds":-1}}`, says: "drain_timeout_seconds"},
		"a negative size":                 {service: `{"load_balancer":{"max_request_bytes":-1}}`, says: "max_request_bytes"},
		"a key that is no digest":         {service: `{"load_balancer":{"api_key_digests":["secret"]}}`, says: "api_key_digests"},
		"a key twice":                     {service: `{"load_balancer":{"api_key_digests":["` + strings.Repeat("0a", 32) + `","` + strings.Repeat("0a", 32) + `"]}}`, says: "api_key_digests"},
		"sessions told apart by nothing":  {service: `{"load_balancer":{"session_affinity":{}}}`, says: "a cookie or a header"},
		"sessions told apart twice":       {service: `{"load_balancer":{"session_affinity":{"cookie":"a","header":"b"}}}`, says: "a cookie or a header"},
		"a cookie that is none":           {service: `{"load_balancer":{"session_affinity":{"cookie":"a b"}}}`, says: "cookie"},
		"a silent stream":                 {service: `{"load_balancer":{"stream_timeout_seconds":0}}`, says: "stream_timeout_seconds"},
		"a fallback of on-demand":         {service: `{"replica_policy":{"dynamic_ondemand_fallback":true}}`, says: "use_spot must be true"},
		"a placer for on-demand":          {service: `{"replica_policy":{"spot_placer":"steady"},"resources":{"ports":1,"any_of":[{"use_spot":true},{}]}}`, says: "use_spot must be true"},
		"a placer among unlike machines":  {service: `{"replica_policy":{"spot_placer":"dynamic_fallback"},"resources":{"ports":1,"use_spot":true,"any_of":[{"cpus":1},{"cpus":2}]}}`, says: "differ in nothing else", late: true},
		"both markets by chance":          {service: `{"resources":{"ports":1,"any_of":[{"use_spot":true},{"use_spot":false}]}}`, says: "some entries are spot"},
		"alternatives of both kinds":      {service: `{"resources":{"ports":1,"any_of":[{}],"ordered":[{}]}}`, says: "exclude each other"},
		"processors that are no number":   {service: `{"resources":{"ports":1,"cpus":"two"}}`, says: "cpus"},
		"no processors":                   {service: `{"resources":{"ports":1,"cpus":"0"}}`, says: "cpus"},
		"no processors, as a number":      {service: `{"resources":{"ports":1,"cpus":0}}`, says: "cpus"},
		"memory in an unknown unit":       {service: `{"resources":{"ports":1,"memory":"32XB"}}`, says: "memory"},
		"no accelerator":                  {service: `{"resources":{"ports":1,"accelerators":"A100:0"}}`, says: "accelerators"},
		"a disk of at least a size":       {service: `{"resources":{"ports":1,"disk_size":"100+"}}`, says: "disk_size"},
		"an unknown disk tier":            {service: `{"resources":{"ports":1,"disk_tier":"fast"}}`, says: "disk_tier"},
		"an image without a name":         {service: `{"resources":{"ports":1,"image_id":"docker:"}}`, says: "image_id"},
		"an AMI in no region":             {service: `{"resources":{"ports":1,"image_id":"ami-1"}}`, says: "one region of AWS only", late: true},
		"a negative price":                {service: `{"resources":{"ports":1,"max_hourly_cost":-1}}`, says: "max_hourly_cost"},
		"a label without a name":          {service: `{"resources":{"ports":1,"labels":{"":"v"}}}`, says: "empty name"},
		"a label GCP does not take":       {service: `{"resources":{"ports":1,"infra":"gcp","labels":{"K":"v"}}}`, says: "lower-case", late: true},
		"a ground said twice":             {service: `{"resources":{"ports":1,"infra":"aws","region":"us-east-1"}}`, says: "infra excludes cloud"},
		"an unknown cloud":                {service: `{"resources":{"ports":1,"any_of":[{"infra":"moon/crater"}]}}`, says: "infra"},
		"infra with a fourth part":        {service: `{"resources":{"ports":1,"infra":"aws/a/b/c"}}`, says: "infra"},
		"a region of another cloud":       {service: `{"resources":{"ports":1,"infra":"aws/us-east1"}}`, says: "is not a region of aws", late: true},
		"a toleration of nothing":         {service: `{"resources":{"ports":1,"kubernetes":{"tolerations":[{"value":"x"}]}}}`, says: "needs operator"},
		"a toleration of any value":       {service: `{"resources":{"ports":1,"any_of":[{"kubernetes":{"tolerations":[{"key":"a","operator":"Exists","value":"x"}]}}]}}`, says: "leave the value out"},
		"an unknown operator":             {service: `{"resources":{"ports":1,"kubernetes":{"tolerations":[{"key":"a","operator":"In"}]}}}`, says: "operator"},
		"an unknown effect":               {service: `{"resources":{"ports":1,"kubernetes":{"tolerations":[{"key":"a","effect":"No"}]}}}`, says: "effect"},
		"a node's label with a space":     {service: `{"resources":{"ports":1,"kubernetes":{"node_selector":{"a":"b c"}}}}`, says: "node_selector"},
		"a node's label without a name":   {service: `{"resources":{"ports":1,"kubernetes":{"node_selector":{"":"b"}}}}`, says: "node_selector", late: true},
		"no port":                         {service: `{"resources":{}}`, says: "no port is opened"},
		"port 0":                          {service: `{"resources":{"ports":0}}`, says: "ports"},
		"a port in words":                 {service: `{"resources":{"ports":"http"}}`, says: "ports"},
		"two ports and none for traffic":  {service: `{"resources":{"ports":"80,81"}}`, says: "Several ports are open", late: true},
		"a traffic port out of range":     {service: `{"ports":70000}`, says: "ports"},
		"a workdir that is no digest":     {service: `{"workdir":"./server"}`, says: "workdir"},
		"a mount that climbs out":         {service: `{"file_mounts":{"data/../../etc":"` + digest() + `"}}`, says: `goes up by ".."`},
		"a mount over everything":         {service: `{"file_mounts":{"/":"` + digest() + `"}}`, says: "in use"},
		"a mount over the home":           {service: `{"file_mounts":{"~/":"` + digest() + `"}}`, says: "in use"},
		"a variable with a dash":          {service: `{"envs":{"MY-VAR":"1"}}`, says: "name of a variable"},
		"the variable PORT":               {service: `{"envs":{"PORT":"1"}}`, says: "set for every replica"},
		"a variable of ours as a secret":  {service: `{"secrets":{"SERVE_X":""}}`, says: "set for every replica"},
		"a variable that is a secret too": {service: `{"envs":{"A":"1"},"secrets":{"A":""}}`, says: "in envs and in secrets"},
		"a secret in the open":            {service: `{"secrets":{"A":"value"}}`, says: "secrets.A"},
		"a key in the open":               {service: `{"tls":{"certificate":"x","key":"y"}}`, says: "unknown field"},
		"terms nobody has agreed to":      {service: `{"tls":{"acme":{"domains":["a.example.com"],"agree_to_terms":false}}}`, says: "agree_to_terms"},
		"certificates for no domain":      {service: `{"tls":{"acme":{"domains":[],"agree_to_terms":true}}}`, says: "domains"},
		"a certificate for all domains":   {service: `{"tls":{"acme":{"domains":["*.example.com"],"agree_to_terms":true}}}`, says: "domains"},
		"a certificate given and issued":  {service: `{"tls":{"certificate":"x","acme":{"domains":["a.example.com"],"agree_to_terms":true}}}`, says: "either given or had by ACME"},
		"TLS with nothing":                {service: `{"tls":{}}`, says: "either given or had by ACME"},
		"a certificate without a key":     {service: `{"tls":{"certificate":"x"}}`, says: "tls.key", late: true},
	}
}
