// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"fmt"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// spot is scaling on spot machines.
func spot() serve.Spec {
	s := scaling()
	s.Resources.UseSpot = yes()
	return s
}

// anyOf is valid with the given alternatives.
func anyOf(entries ...serve.Resource) func() serve.Spec {
	return func() serve.Spec {
		s := scaling()
		s.Resources.AnyOf = entries
		return s
	}
}

// kubernetes asks for nodes with the label, if there is one, and tolerates.
func kubernetes(label, value string, tolerations ...serve.Toleration) serve.Resource {
	k := &serve.KubernetesOptions{Tolerations: tolerations}
	if label != "" {
		k.NodeSelector = map[string]string{label: value}
	}
	return serve.Resource{Kubernetes: k}
}

func balancerMistakes() []mistake {
	lb := func(change func(*serve.LoadBalancer)) func(*serve.Spec) {
		return func(s *serve.Spec) { change(&s.LoadBalancer) }
	}
	digest := strings.Repeat("0a", 32)
	const at = "load_balancer."
	return []mistake{
		{"a negative drain", nil, lb(func(b *serve.LoadBalancer) { b.DrainTimeoutSeconds = -1 }), at + "drain_timeout_seconds", "negative"},
		{"a negative size", nil, lb(func(b *serve.LoadBalancer) { b.MaxRequestBytes = -1 }), at + "max_request_bytes", "negative"},
		{"a key in the open", nil, lb(func(b *serve.LoadBalancer) { b.APIKeyDigests = []string{digest, "secret"} }), at + "api_key_digests[1]", "never the key itself"},
		{"a digest that is too short", nil, lb(func(b *serve.LoadBalancer) { b.APIKeyDigests = []string{digest[2:]} }), at + "api_key_digests[0]", "64 digits"},
		{"a key twice", nil, lb(func(b *serve.LoadBalancer) { b.APIKeyDigests = []string{digest, digest} }), at + "api_key_digests[1]", "twice"},
		{"too many keys", nil, lb(func(b *serve.LoadBalancer) {
			for i := range 101 {
				b.APIKeyDigests = append(b.APIKeyDigests, fmt.Sprintf("%064x", i))
			}
		}), at + "api_key_digests", "at most 100"},
		{"sessions told apart by nothing", nil, lb(func(b *serve.LoadBalancer) { b.SessionAffinity = &serve.SessionAffinity{} }), at + "session_affinity", "name a cookie or a header"},
		{"sessions told apart twice", nil, lb(func(b *serve.LoadBalancer) { b.SessionAffinity = &serve.SessionAffinity{Cookie: "a", Header: "b"} }), at + "session_affinity.header", "leave one of them out"},
		{"a cookie with a space", nil, lb(func(b *serve.LoadBalancer) { b.SessionAffinity = &serve.SessionAffinity{Cookie: "a b"} }), at + "session_affinity.cookie", "not the name of a cookie"},
		{"a header with a colon", nil, lb(func(b *serve.LoadBalancer) { b.SessionAffinity = &serve.SessionAffinity{Header: "a:"} }), at + "session_affinity.header", "not the name of an HTTP header"},
	}
}

func updateMistakes() []mistake {
	rolling := func(mode serve.UpdateMode, surge, unavailable int) func(*serve.Spec) {
		return func(s *serve.Spec) {
			s.UpdateMode, s.RollingUpdate = mode, &serve.RollingUpdate{MaxSurge: surge, MaxUnavailable: unavailable}
		}
	}
	const at = "rolling_update"
	return []mistake{
		{"a negative surge", nil, rolling(serve.Rolling, -1, 1), at + ".max_surge", "from 0 to 10000"},
		{"too many unavailable", nil, rolling(serve.Rolling, 1, 10001), at + ".max_unavailable", "from 0 to 10000"},
		{"an update that cannot go on", nil, rolling(serve.Rolling, 0, 0), at + ".max_unavailable", "nothing could ever be replaced"},
		{"bounds of a rolling update that is none", nil, rolling(serve.BlueGreen, 1, 0), at, `update_mode "rolling"`},
	}
}

func scheduleMistakes() []mistake {
	with := func(change func(*serve.Schedule)) func(*serve.Spec) {
		return func(s *serve.Spec) {
			one := serve.Schedule{From: "08:00", To: "20:00", MinReplicas: 1, MaxReplicas: 1}
			two := one
			change(&two)
			s.ReplicaPolicy.Schedules = []serve.Schedule{one, two}
		}
	}
	plain := func() serve.Spec {
		s := valid()
		s.ReplicaPolicy.Fixed = false
		return s
	}
	const at = "replica_policy.schedules[1]."
	return []mistake{
		{"a day that is none", plain, with(func(s *serve.Schedule) { s.Days = []string{"mon", "Tue"} }), at + "days[1]", `did you mean "tue"?`},
		{"an hour that is none", plain, with(func(s *serve.Schedule) { s.From = "24:00" }), at + "from", `"08:00"`},
		{"an hour that is short", plain, with(func(s *serve.Schedule) { s.To = "8:00" }), at + "to", "is not an hour"},
		{"a zone that is none", plain, with(func(s *serve.Schedule) { s.TimeZone = "Berlin" }), at + "time_zone", "Europe/Berlin"},
		{"the zone of whoever looks", plain, with(func(s *serve.Schedule) { s.TimeZone = "Local" }), at + "time_zone", "not the name of a time zone"},
		{"less at most than at least", plain, with(func(s *serve.Schedule) { s.MinReplicas = 2 }), at + "max_replicas", "less than min_replicas"},
		{"nothing to scale by", plain, with(func(s *serve.Schedule) { s.MaxReplicas = 2 }), at + "max_replicas", "nothing scales between them"},
		{"fewer than none", plain, with(func(s *serve.Schedule) { s.MinReplicas = -1 }), at + "min_replicas", "0 or more"},
	}
}

func marketMistakes() []mistake {
	base := func(s *serve.Spec) { s.ReplicaPolicy.BaseOndemandFallbackReplicas = 1 }
	dynamic := func(s *serve.Spec) { s.ReplicaPolicy.DynamicOndemandFallback = true }
	placer := func(s *serve.Spec) { s.ReplicaPolicy.SpotPlacer = serve.DynamicFallbackPlacer }
	same := func(*serve.Spec) {}
	return []mistake{
		{"V12 one spot and one on-demand alternative", anyOf(serve.Resource{UseSpot: yes()}, serve.Resource{UseSpot: no()}), same, "resources.any_of[1].use_spot", "dynamic_ondemand_fallback or base_ondemand_fallback_replicas"},
		{"one alternative that overrides the outer use_spot", anyOf(serve.Resource{}, serve.Resource{UseSpot: yes()}), same, "resources.any_of[1].use_spot", "Some entries are spot and some on-demand"},
		{"V13 an on-demand base and use_spot left out", scaling, base, "resources.use_spot", "set use_spot to true"},
		{"a dynamic fallback and use_spot left out", scaling, dynamic, "resources.use_spot", "on-demand fallback is for spot"},
		{"a placer and use_spot left out", scaling, placer, "resources.use_spot", "a spot placer is for spot"},
		{"a fallback and use_spot left out of every alternative", anyOf(serve.Resource{Infra: "aws"}, serve.Resource{Infra: "gcp"}), dynamic, "resources.use_spot", "set use_spot to true"},
		{"a fallback and one on-demand alternative", anyOf(serve.Resource{UseSpot: yes()}, serve.Resource{UseSpot: no()}), dynamic, "resources.any_of[1].use_spot", "set use_spot to true"},
		{"P8 a placer over two accelerators", anyOf(serve.Resource{UseSpot: yes(), Accelerators: "L4"}, serve.Resource{UseSpot: yes(), Accelerators: "A10G"}), placer, "resources.any_of[1].accelerators", "differ in nothing else"},
		{"a placer over an outer and an own size", func() serve.Spec {
			s := spot()
			s.Resources.CPUs = "2"
			s.Resources.AnyOf = []serve.Resource{{Infra: "aws"}, {Infra: "gcp", CPUs: "4"}}
			return s
		}, placer, "resources.any_of[1].cpus", "is not that of resources.any_of[0]"},
		{"a placer over two sets of labels", anyOf(serve.Resource{UseSpot: yes()}, serve.Resource{UseSpot: yes(), Labels: map[string]string{"a": "b"}}), placer, "resources.any_of[1].labels", "labels"},
		{"two fallbacks on on-demand machines are one mistake", scaling, func(s *serve.Spec) { base(s); dynamic(s) }, "resources.use_spot", "on-demand already"},
	}
}

func resourceMistakes() []mistake {
	outer := func(r serve.Resource) func(*serve.Spec) {
		return func(s *serve.Spec) {
			r.Ports = s.Resources.Ports
			s.Resources.Resource = r
		}
	}
	label := func(infra, key, value string) func(*serve.Spec) {
		return outer(serve.Resource{Infra: infra, Labels: map[string]string{key: value}})
	}
	same := func(*serve.Spec) {}
	const at = "resources."
	return []mistake{
		{"alternatives both with and without an order", anyOf(serve.Resource{}), func(s *serve.Spec) { s.Resources.Ordered = []serve.Resource{{}} }, at + "ordered", "exclude each other"},
		{"processors that are not a number", nil, outer(serve.Resource{CPUs: "two"}), at + "cpus", `"two" is not a number above 0`},
		{"no processors", nil, outer(serve.Resource{CPUs: "0"}), at + "cpus", `"4+" at least 4`},
		{"fewer than no processors", nil, outer(serve.Resource{CPUs: "-2"}), at + "cpus", "not a number above 0"},
		{"processors with a plus in front", nil, outer(serve.Resource{CPUs: "+2"}), at + "cpus", "not a number above 0"},
		{"processors in hexadecimal", nil, outer(serve.Resource{CPUs: "0x10"}), at + "cpus", "not a number above 0"},
		{"endless memory", nil, outer(serve.Resource{Memory: "inf"}), at + "memory", "KB, MB, GB, TB or PB"},
		{"memory in an unknown unit", nil, outer(serve.Resource{Memory: "32XB"}), at + "memory", `unknown unit "XB"`},
		{"memory of nothing but a unit", nil, outer(serve.Resource{Memory: "GB"}), at + "memory", "not a number above 0"},
		{"an accelerator count of zero", nil, outer(serve.Resource{Accelerators: "A100:0"}), at + "accelerators", `The count in "A100:0"`},
		{"a count without an accelerator", nil, outer(serve.Resource{Accelerators: ":4"}), at + "accelerators", "NAME:count"},
		{"two accelerators in one", nil, outer(serve.Resource{Accelerators: "A100, L4"}), at + "accelerators", "is not an accelerator"},
		{"a disk of no size", nil, outer(serve.Resource{DiskSize: "0"}), at + "disk_size", "not a number above 0"},
		{"a disk of at least a size", nil, outer(serve.Resource{DiskSize: "100+"}), at + "disk_size", `"100+"`},
		{"an unknown disk tier", nil, outer(serve.Resource{DiskTier: "fast"}), at + "disk_tier", `"low", "medium", "high", "ultra", "best"`},
		{"a disk tier in another case", nil, outer(serve.Resource{DiskTier: "High"}), at + "disk_tier", `did you mean "high"?`},
		{"a Docker image without a name", nil, outer(serve.Resource{ImageID: "docker:"}), at + "image_id", "has no name"},
		{"an image of spaces", nil, outer(serve.Resource{ImageID: "  "}), at + "image_id", "is not an image"},
		{"an AMI in no region", nil, outer(serve.Resource{Infra: "aws", ImageID: "ami-0abc"}), at + "image_id", "one region of AWS only"},
		{"an AMI on another cloud", nil, outer(serve.Resource{Infra: "gcp/us-east1", ImageID: "ami-0abc"}), at + "image_id", "one region of AWS only"},
		{"a machine type with a space", nil, outer(serve.Resource{InstanceType: "m5 large"}), at + "instance_type", "is not a machine type"},
		{"a node label that cannot be", nil, outer(kubernetes("a b", "c")), at + `kubernetes.node_selector["a b"]`, "something other than letters"},
		{"a toleration with an unknown operator", nil, outer(kubernetes("", "", serve.Toleration{Key: "gpu", Operator: "exists"})), at + "kubernetes.tolerations[0].operator", `"Exists"`},
		{"a toleration of an unknown effect", nil, outer(kubernetes("", "", serve.Toleration{Key: "gpu", Effect: "NoExec"})), at + "kubernetes.tolerations[0].effect", `"NoExecute"`},
		{"a toleration of nothing", nil, outer(kubernetes("", "", serve.Toleration{Key: "a"}, serve.Toleration{})), at + "kubernetes.tolerations[1].key", "every taint"},
		{"a toleration of any and of one value", nil, outer(kubernetes("", "", serve.Toleration{Key: "a", Operator: "Exists", Value: "b"})), at + "kubernetes.tolerations[0].value", "leave the value out"},
		{"a negative price ceiling", nil, outer(serve.Resource{MaxHourlyCost: -1}), at + "max_hourly_cost", "US dollars above 0"},
		{"a label without a name", nil, label("", "", "v"), at + `labels[""]`, "empty name"},
		{"a label with a line break", nil, label("aws", "k", "a\nb"), at + `labels["k"]`, "a control character"},
		{"a label AWS keeps for itself", nil, label("aws", "aws:k", "v"), at + `labels["aws:k"]`, "for itself"},
		{"an upper-case label on GCP", nil, label("gcp", "Team", "v"), at + `labels["Team"]`, "lower-case"},
		{"a label value with a space on Kubernetes", nil, label("k8s", "example.com/team", "a b"), at + `labels["example.com/team"]`, "something other"},
		{"a label value that is too long", nil, label("gcp", "k", strings.Repeat("v", 64)), at + `labels["k"]`, "at most 63 characters"},
		{"a mistake in the second alternative", anyOf(serve.Resource{}, serve.Resource{CPUs: "x"}), same, at + "any_of[1].cpus", "not a number above 0"},
		{"a mistake in an ordered alternative", valid, func(s *serve.Spec) { s.Resources.Ordered = []serve.Resource{{Memory: "x"}} }, at + "ordered[0].memory", "unknown unit"},
		{"an outer label both alternatives inherit", func() serve.Spec {
			s := anyOf(serve.Resource{Infra: "gcp/us-east1"}, serve.Resource{Infra: "gcp/us-west1"})()
			s.Resources.Labels = map[string]string{"K": "v"}
			return s
		}, same, at + `labels["K"]`, "lower-case"},
	}
}

func placeMistakes() []mistake {
	outer := func(r serve.Resource) func(*serve.Spec) {
		return func(s *serve.Spec) {
			r.Ports = s.Resources.Ports
			s.Resources.Resource = r
		}
	}
	const at = "resources."
	return []mistake{
		{"infra and cloud together", nil, outer(serve.Resource{Infra: "aws", Cloud: "aws", Region: "us-east-1"}), at + "infra", `write only infra "aws/us-east-1"`},
		{"an unknown cloud", nil, outer(serve.Resource{Infra: "azure/westus"}), at + "infra", `"azure" is not known`},
		{"a cloud with a letter amiss", nil, outer(serve.Resource{Infra: "asw"}), at + "infra", `did you mean "aws"?`},
		{"an unknown cloud in the older spelling", nil, outer(serve.Resource{Cloud: "gpc"}), at + "cloud", `did you mean "gcp"?`},
		{"infra with an empty region", nil, outer(serve.Resource{Infra: "aws//us-east-1a"}), at + "infra", "empty part"},
		{"infra with a fourth part", nil, outer(serve.Resource{Infra: "aws/us-east-1/us-east-1a/x"}), at + "infra", "too many parts"},
		{"a region of the other cloud", nil, outer(serve.Resource{Infra: "aws/us-east1"}), at + "infra", "is not a region of aws"},
		{"a region of the other cloud in the older spelling", nil, outer(serve.Resource{Cloud: "gcp", Region: "us-east-1"}), at + "region", `names like "us-east1"`},
		{"a zone of another region", nil, outer(serve.Resource{Cloud: "aws", Region: "us-east-1", Zone: "us-west-2a"}), at + "zone", `not in the region "us-east-1"`},
		{"a zone in infra of another region", nil, outer(serve.Resource{Infra: "gcp/us-east1/us-west1-b"}), at + "infra", "is not in the region"},
		{"a zone outside of the region that is inherited", nil, func(s *serve.Spec) {
			s.Resources.Cloud, s.Resources.Region = "aws", "us-east-1"
			s.Resources.AnyOf = []serve.Resource{{Zone: "us-east-1b"}, {Zone: "eu-west-1a"}}
		}, at + "any_of[1].zone", "is not in the region"},
		{"a region under an outer infra", nil, func(s *serve.Spec) {
			s.Resources.Infra = "aws"
			s.Resources.AnyOf = []serve.Resource{{Region: "us-east-1"}}
		}, at + "any_of[0].region", `write infra "aws/us-east-1" here`},
		{"an unknown cloud of an alternative", anyOf(serve.Resource{Infra: "aws"}, serve.Resource{Infra: "lambda"}), func(*serve.Spec) {}, at + "any_of[1].infra", `"local", "kubernetes", "aws", "gcp"`},
	}
}

func portMistakes() []mistake {
	open := func(ports string) func(*serve.Spec) { return func(s *serve.Spec) { s.Resources.Ports = ports } }
	const at = "resources.ports"
	return []mistake{
		{"no port at all", nil, open(""), at, "No port is opened"},
		{"a port that is not a number", nil, open("http"), at, `"http" is neither a port nor a range`},
		{"port 0", nil, open("0"), at, "Port 0 is not between 1 and 65535"},
		{"a port beyond the last", nil, open("65536"), at, "65536"},
		{"a range that ends beyond the last port", nil, open("65530-70000"), at, "Port 70000"},
		{"a range backwards", nil, open("90-80"), at, "write 80-90"},
		{"a list with a gap", nil, open("80,,81"), at, "neither a port"},
		{"V11 a traffic port out of range", nil, func(s *serve.Spec) { s.Ports = 70000 }, "ports", "Port 70000"},
		{"V11 a negative traffic port", nil, func(s *serve.Spec) { s.Ports = -1 }, "ports", "between 1 and 65535"},
		{"V15 two ports and none for traffic", nil, open("8080,8081"), at, "Several ports are open, 8080,8081"},
		{"a range and none for traffic", nil, open("8080-8081"), at, "Several ports"},
		{"V16 two alternatives with a port each", anyOf(serve.Resource{Ports: "8080"}, serve.Resource{Ports: "9090"}), func(*serve.Spec) {}, "resources.any_of[1].ports", "opens port 9090 and another one 8080"},
		{"a traffic port that is not open", nil, func(s *serve.Spec) { s.Ports = 80 }, at, "80, is not among the open ones, 8081"},
		{"a traffic port one alternative does not open", anyOf(serve.Resource{Ports: "80-90"}, serve.Resource{Ports: "91-99"}), func(s *serve.Spec) { s.Ports = 85 }, "resources.any_of[1].ports", "not among the open ones"},
	}
}

func taskMistakes() []mistake {
	digest := "sha256:" + strings.Repeat("0a", 32)
	env := func(name, value string) func(*serve.Spec) {
		return func(s *serve.Spec) { s.Envs = map[string]string{name: value} }
	}
	mount := func(target, content string) func(*serve.Spec) {
		return func(s *serve.Spec) { s.FileMounts = map[string]string{target: content} }
	}
	return []mistake{
		{"nothing to run", nil, func(s *serve.Spec) { s.Run = " \n" }, "run", "nothing to run"},
		{"a workdir that is not a digest", nil, func(s *serve.Spec) { s.Workdir = "./server" }, "workdir", "not the digest of a bundle"},
		{"a digest in upper case", nil, func(s *serve.Spec) { s.Workdir = strings.ToUpper(digest) }, "workdir", "not the digest"},
		{"a variable with a dash", nil, env("MY-VAR", "1"), `envs["MY-VAR"]`, "not the name of a variable"},
		{"a variable that begins with a digit", nil, env("1ST", "1"), `envs["1ST"]`, "does not begin with a digit"},
		{"a variable without a name", nil, env("", "1"), `envs[""]`, "not the name"},
		{"a variable with a NUL", nil, env("A", "\x00"), `envs["A"]`, "NUL"},
		{"the variable PORT", nil, env("PORT", "80"), `envs["PORT"]`, "set for every replica"},
		{"the variable HOST", nil, env("HOST", "::"), `envs["HOST"]`, "take another name"},
		{"a variable of ours", nil, env("SERVE_REPLICA_ID", "1"), `envs["SERVE_REPLICA_ID"]`, "set for every replica"},
		{"a variable of SkyPilot's as a secret", nil, func(s *serve.Spec) { s.Secrets = map[string]string{"SKYPILOT_X": ""} }, `secrets["SKYPILOT_X"]`, "set for every replica"},
		{"a variable that is a secret too", nil, func(s *serve.Spec) {
			s.Envs = map[string]string{"TOKEN": "a"}
			s.Secrets = map[string]string{"TOKEN": "b"}
		}, `secrets["TOKEN"]`, "in envs too"},
		{"a mount that climbs out", nil, mount("data/../../etc", digest), `file_mounts["data/../../etc"]`, `goes up by ".."`},
		{"a mount over everything", nil, mount("/", digest), `file_mounts["/"]`, "in use"},
		{"a mount over the working directory", nil, mount("./", digest), `file_mounts["./"]`, "name one within it"},
		{"a mount nowhere", nil, mount("", digest), `file_mounts[""]`, "is not a path"},
		{"a mount of something that is not a digest", nil, mount("/data", "sha256:xyz"), `file_mounts["/data"]`, "not the digest"},
		{"two mounts at one place", nil, func(s *serve.Spec) { s.FileMounts = map[string]string{"/data": digest, "/data/": digest} }, `file_mounts["/data/"]`, `same path as "/data"`},
	}
}
