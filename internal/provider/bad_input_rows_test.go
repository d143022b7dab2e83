// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import "strings"

func wrongTypes() []mistake {
	return []mistake{
		{"replicas that are a word", `replicas = "two"`, "replicas", "a number is required"},
		{"use_spot that is neither", `resources = {
			use_spot = "maybe"
		}`, "resources", "a bool is required"},
		{"envs that are no map", `envs = "A=1"`, "envs", "map of string required"},
		{"an argument that there is not", `replcas = 2`, "replcas", "Unsupported argument"},
		{"nothing to run", `# no run`, "run", `The argument "run" is required`},
		{"no resources", `# no resources`, "resources", `The argument "resources" is required`},
		{"a policy without min_replicas", `replica_policy = { max_replicas = 2 }`, "replica_policy", `attribute "min_replicas" is required`},
		{"TLS without a certificate", `tls = { keyfile = "key.pem" }`, "tls.certfile", "TLS needs the certificate of the key"},
		{"TLS with nothing", "tls = {\n}", "tls.certfile", "or acme to have one issued"},
		{"a timeout that is no duration", `timeouts = {
			create = "soon"
		}`, "", `must be a string containing a sequence of decimal numbers`},
		{"a target that is a word", `replica_policy = {
			min_replicas           = 1
			max_replicas           = 2
			target_qps_per_replica = "fast"
		}`, "replica_policy.target_qps_per_replica", "It must be a number, or a map of numbers"},
		{"a target that is a list", `replica_policy = {
			min_replicas           = 1
			max_replicas           = 2
			target_qps_per_replica = [1]
		}`, "replica_policy.target_qps_per_replica", "It must be a number, or a map of numbers"},
		{"a target that is a word for one accelerator", `load_balancing_policy = "instance_aware_least_load"
		replica_policy = {
			min_replicas           = 1
			max_replicas           = 2
			target_qps_per_replica = { A100 = "fast" }
		}`, "replica_policy.target_qps_per_replica", `The target for "A100" must be a number`},
	}
}

func wrongService() []mistake {
	return []mistake{
		{"a name that begins with a digit", `name = "1web"`, "name", `"1web" is not a name`},
		{"a name that ends with a dash", `name = "web-"`, "name", "ends with a letter or digit"},
		{"a name that is empty", `name = ""`, "name", "The service has no name"},
		{"a probe path without a slash", `readiness_probe = {
			path = "health"
		}`, "readiness_probe.path", `write "/health"`},
		{"post_data that is not JSON", `readiness_probe = {
			post_data = "{bad"
		}`, "readiness_probe.post_data", "not valid JSON"},
		{"post_data that is empty", `readiness_probe = {
			post_data = ""
		}`, "readiness_probe.post_data", "Nothing is not a JSON document"},
		{"a header that is none", `readiness_probe = {
			headers = {
				"a b" = "x"
			}
		}`, `readiness_probe.headers["a b"]`, `"a b" is not the name of an HTTP header`},
		{"no time for a probe", `readiness_probe = {
			timeout_seconds = 0
		}`, "readiness_probe.timeout_seconds", "it must be more than 0"},
		{"a negative interval", `readiness_probe = {
			endpoint_probe_interval_seconds = -1
		}`, "readiness_probe.endpoint_probe_interval_seconds", "it must be more than 0"},
		{"a negative grace period", `readiness_probe = {
			initial_delay_seconds = -1
		}`, "readiness_probe.initial_delay_seconds", "negative"},
		{"no failure at all", `rollback = { max_failures = 0 }`, "rollback.max_failures", "0 failures cannot be the most"},
		{"an update mode that there is not", `update_mode = "bluegreen"`, "update_mode", `did you mean "blue_green"?`},
		{"a balancing policy that there is not", `load_balancing_policy = "round_robbin"`, "load_balancing_policy", `did you mean "round_robin"?`},
		{"no time for a stream", `load_balancer = {
			stream_timeout_seconds = 0
		}`, "load_balancer.stream_timeout_seconds", "it must be more than 0"},
		{"an ingress port of 0", `ports = 0`, "ports", "0 is not possible here"},
		{"an ingress port beyond all", `ports = 70000`, "ports", "not between 1 and 65535"},
		{"a workdir without a path", `workdir = ""`, "workdir", "must be at least 1"},
		{"a mount that climbs", `file_mounts = {
			"../etc" = "."
		}`, `file_mounts["../etc"]`, `goes up by ".."`},
		{"a variable with a dash", `envs = {
			"A-B" = "1"
		}`, `envs["A-B"]`, `"A-B" is not the name of a variable`},
		{"a variable that is taken", `envs = {
			PORT = "1"
		}`, `envs["PORT"]`, "is set for every replica by the service itself"},
		{"a variable without a value", `envs = {
			A = null
		}`, `envs["A"]`, "null"},
		{"a secret that is shown too", `envs = { TOKEN = "x" }
		secrets_wo = {
			TOKEN = "y"
		}`, `secrets_wo["TOKEN"]`, `"TOKEN" is in envs too`},
		{"a run that is blank", `run = " "`, "run", "There is nothing to run"},
	}
}

func wrongCloudCredentials() []mistake {
	return []mistake{
		{"credentials without a version", `cloud_credentials_wo = {
			gcp = { credentials = "{}" }
		}`, "cloud_credentials_wo", "write 1"},
		{"an access key without its secret", `cloud_credentials_wo = {
			aws = { access_key = "AKIA1" }
		}
		cloud_credentials_wo_version = 1`, "cloud_credentials_wo.aws.secret_key", "It is missing"},
		{"the name of a file in place of what is in it", `cloud_credentials_wo = {
			gcp = { credentials = "key.json" }
		}
		cloud_credentials_wo_version = 1`, "cloud_credentials_wo.gcp.credentials", "It is not JSON"},
		{"credentials of the controller's own cloud", `controller = { infra = "aws" }
		cloud_credentials_wo = {
			aws = { access_key = "AKIA1", secret_key = "x" }
		}
		cloud_credentials_wo_version = 1`, "cloud_credentials_wo.aws", "is known there by the machine"},
		{"credentials of the controller's own cluster", `controller = { infra = "kubernetes" }
		cloud_credentials_wo = {
			kubernetes = { kubeconfig = "x" }
		}
		cloud_credentials_wo_version = 1`, "cloud_credentials_wo.kubernetes", "is known there by the service account"},
		{"an empty kubeconfig", `cloud_credentials_wo = {
			kubernetes = { kubeconfig = "" }
		}
		cloud_credentials_wo_version = 1`, "cloud_credentials_wo.kubernetes.kubeconfig", "It is empty"},
	}
}

func wrongUpdates() []mistake {
	at := func(arguments string) string { return "rolling_update = {\n" + arguments + "\n}" }
	return []mistake{
		{"an update that cannot go on", at(`max_surge = 0`), "rolling_update.max_unavailable", "nothing could ever be replaced"},
		{"a negative surge", at(`max_surge = -1`), "rolling_update.max_surge", "from 0 to"},
		{"bounds of a rolling update that is none", "update_mode = \"blue_green\"\n" + at(""), "rolling_update", "It is for update_mode"},
	}
}

func wrongConcurrency() []mistake {
	at := func(arguments string) string { return "replica_policy = {\nmin_replicas = 1\n" + arguments + "\n}" }
	const path = "replica_policy.target_concurrency_per_replica"
	return []mistake{
		{"no request under way", at("max_replicas = 2\ntarget_concurrency_per_replica = 0"), path, "0 is not possible here"},
		{"fewer than no requests under way", at("max_replicas = 2\ntarget_concurrency_per_replica = -1"), path, "it must be a number above 0"},
		{"a metric that cannot be asked for", at("max_replicas = 2\nexternal_metric = {\nurl = \"queue\"\ntarget_per_replica = 1\n}"), "replica_policy.external_metric.url", "begins with http:// or https://"},
		{"a metric with a password", at("max_replicas = 2\nexternal_metric = {\nurl = \"http://a:b@queue\"\ntarget_per_replica = 1\n}"), "replica_policy.external_metric.url", "shown to everybody"},
		{"a metric nowhere", at("max_replicas = 2\nexternal_metric = {\nurl = \"http://queue\"\nfield = \"a..b\"\ntarget_per_replica = 1\n}"), "replica_policy.external_metric.field", "names and indexes with dots between"},
		{"a metric for nobody", at("max_replicas = 2\nexternal_metric = {\nurl = \"http://queue\"\ntarget_per_replica = 0\n}"), "replica_policy.external_metric.target_per_replica", "a number above 0"},
		{"a day that is none", at("schedules = [{ days = [\"monday\"], from = \"08:00\", to = \"20:00\", min_replicas = 1 }]"), "replica_policy.schedules[0].days[0]", "is not known"},
		{"an hour that is none", at("schedules = [{ from = \"8\", to = \"20:00\", min_replicas = 1 }]"), "replica_policy.schedules[0].from", "is not an hour"},
		{"a zone that is none", at("schedules = [{ from = \"08:00\", to = \"20:00\", time_zone = \"CEST\", min_replicas = 1 }]"), "replica_policy.schedules[0].time_zone", "not the name of a time zone"},
		{"hours in which nothing scales", at("schedules = [{ from = \"08:00\", to = \"20:00\", min_replicas = 1, max_replicas = 3 }]"), "replica_policy.schedules[0].max_replicas", "nothing scales between them"},
		{"requests under way, and no limit to what they cost", at("target_concurrency_per_replica = 8"), path, "say by max_replicas how far"},
	}
}

func wrongTLS() []mistake {
	at := func(arguments string) string {
		return "tls = {\nacme = {\n" + arguments + "\n}\n}"
	}
	const domains, agreed = `domains = ["api.example.com"]`, "\nagree_to_terms = true"
	return []mistake{
		{"terms that nobody has agreed to", at(domains + "\nagree_to_terms = false"), "tls.acme.agree_to_terms", "write true if you do"},
		{"no word about terms", at(domains), "tls", `attribute "agree_to_terms" is required`},
		{"no domain", at("domains = []" + agreed), "tls.acme.domains", "name one at least"},
		{"all domains", at(`domains = ["*.example.com"]` + agreed), "tls.acme.domains[0]", "name each"},
		{"a domain that is an address", at(`domains = ["192.0.2.1"]` + agreed), "tls.acme.domains[0]", "is not a domain"},
		{"a domain in capitals", at(`domains = ["API.example.com"]` + agreed), "tls.acme.domains[0]", "in lower case"},
		{"a domain twice", at(`domains = ["a.example.com", "a.example.com"]` + agreed), "tls.acme.domains[1]", "there twice"},
		{"an address that is none", at(domains + agreed + "\nemail = \"admin\""), "tls.acme.email", "not an address of electronic mail"},
		{"a directory without TLS", at(domains + agreed + "\ndirectory_url = \"http://ca.example.com\""), "tls.acme.directory_url", "begins with https://"},
		{"a certificate that is given and issued", "tls = {\nkeyfile = \"a\"\ncertfile = \"b\"\nacme = {\n" + domains + agreed + "\n}\n}", "tls.acme", "leave one of them out"},
	}
}

func wrongBalancers() []mistake {
	at := func(arguments string) string { return "load_balancer = {\n" + arguments + "\n}" }
	digest := strings.Repeat("0a", 32)
	return []mistake{
		{"a negative drain", at(`drain_timeout_seconds = -1`), "load_balancer.drain_timeout_seconds", "is negative"},
		{"a negative size", at(`max_request_bytes = -1`), "load_balancer.max_request_bytes", "is negative"},
		{"a key in the open", at(`api_key_digests = ["secret"]`), "load_balancer.api_key_digests[0]", "write sha256(KEY), and never the key itself"},
		{"a key twice", at(`api_key_digests = ["` + digest + `", "` + digest + `"]`), "load_balancer.api_key_digests[1]", "there twice"},
		{"sessions told apart by nothing", at("session_affinity = {\n}"), "load_balancer.session_affinity", "name a cookie or a header"},
		{"sessions told apart twice", at("session_affinity = {\ncookie = \"a\"\nheader = \"b\"\n}"), "load_balancer.session_affinity.header", "leave one of them out"},
		{"a cookie that is none", at("session_affinity = {\ncookie = \"a b\"\n}"), "load_balancer.session_affinity.cookie", `"a b" is not the name of a cookie`},
		{"a header that is none", at("session_affinity = {\nheader = \"a:b\"\n}"), "load_balancer.session_affinity.header", `"a:b" is not the name of an HTTP header`},
	}
}

func wrongPolicies() []mistake {
	return []mistake{
		{"a negative number of replicas", `replicas = -1`, "replicas", "-1 replicas cannot be"},
		{"more replicas than anybody has", `replicas = 100000`, "replicas", "too many"},
		{"replicas and a policy", `replicas = 2
		replica_policy = { min_replicas = 2 }`, "replicas", `"replica_policy" cannot be specified when "replicas" is specified`},
		{"min above max", `replica_policy = {
			min_replicas           = 3
			max_replicas           = 2
			target_qps_per_replica = 1
		}`, "replica_policy.max_replicas", "max_replicas is 2, which is less than min_replicas, 3"},
		{"a range without a target", `replica_policy = {
			min_replicas = 1
			max_replicas = 2
		}`, "replica_policy.max_replicas", "nothing scales between them"},
		{"a target without a limit", `replica_policy = {
			min_replicas           = 1
			target_qps_per_replica = 1
		}`, "replica_policy.target_qps_per_replica", "say by max_replicas how far"},
		{"a target of nothing", `replica_policy = {
			min_replicas           = 1
			max_replicas           = 2
			target_qps_per_replica = 0
		}`, "replica_policy.target_qps_per_replica", "0"},
		{"a base above max", `resources = { ports = 80, use_spot = true }
		replica_policy = {
			min_replicas                    = 1
			base_ondemand_fallback_replicas = 2
		}`, "replica_policy.base_ondemand_fallback_replicas", "2 on-demand replicas are more than max_replicas, which is 1"},
		{"a negative reserve", `replica_policy = {
			min_replicas      = 1
			num_overprovision = -1
		}`, "replica_policy.num_overprovision", "-1 replicas cannot be"},
		{"a negative delay", `replica_policy = {
			min_replicas          = 1
			upscale_delay_seconds = -5
		}`, "replica_policy.upscale_delay_seconds", "negative"},
		{"a fallback of what is on-demand already", `replica_policy = {
			min_replicas              = 1
			dynamic_ondemand_fallback = true
		}
		resources = {
			ports    = 80
			use_spot = false
		}`, "resources.use_spot", "set use_spot to true"},
		{"a delay of no fallback", `replica_policy = {
			min_replicas                            = 1
			dynamic_ondemand_fallback_delay_seconds = 5
		}`, "replica_policy.dynamic_ondemand_fallback_delay_seconds", "There is no fallback to delay"},
		{"a placer that there is not", `resources = { ports = 80, use_spot = true }
		replica_policy = {
			min_replicas = 1
			spot_placer  = "magic"
		}`, "replica_policy.spot_placer", `it must be one of "steady", "dynamic_fallback"`},
		{"a target per accelerator for a policy that cannot tell them", `load_balancing_policy = "least_load"
		replica_policy = {
			min_replicas           = 1
			max_replicas           = 2
			target_qps_per_replica = { A100 = 2 }
		}`, "load_balancing_policy", `needs the policy "instance_aware_least_load"`},
		{"one target for a policy that wants many", `load_balancing_policy = "instance_aware_least_load"
		replica_policy = {
			min_replicas           = 1
			max_replicas           = 2
			target_qps_per_replica = 2
		}`, "replica_policy.target_qps_per_replica", "needs a target for each accelerator"},
	}
}

func wrongResources() []mistake {
	return []mistake{
		{"a cloud that there is not", `resources = {
			ports = 80
			infra = "awz/us-east-1"
		}`, "resources.infra", `did you mean "aws"?`},
		{"such a cloud among the alternatives", `resources = {
			ports  = 80
			any_of = [
				{ infra = "local" },
				{ cloud = "azure" },
			]
		}`, "resources.any_of[1].cloud", `"azure" is not known`},
		{"infra and cloud", `resources = {
			ports = 80
			infra = "aws"
			cloud = "aws"
		}`, "resources.infra", "infra excludes cloud, region and zone"},
		{"a region of another cloud", `resources = {
			ports = 80
			infra = "gcp/us-east-1"
		}`, "resources.infra", `"us-east-1" is not a region of gcp`},
		{"any_of and ordered", `resources = {
			ports   = 80
			any_of  = [{ infra = "local" }]
			ordered = [{ infra = "local" }]
		}`, "resources.ordered", "any_of and ordered exclude each other"},
		{"an alternative that is null", `resources = {
			ports  = 80
			any_of = [null]
		}`, "resources.any_of[0]", "null"},
		{"spot or not by chance", `resources = {
			ports  = 80
			any_of = [
				{ use_spot = true },
				{ use_spot = false },
			]
		}`, "resources.any_of[1].use_spot", "Some entries are spot and some on-demand"},
		{"processors that are a word", `resources = {
			ports = 80
			cpus  = "many"
		}`, "resources.cpus", "many"},
		{"no memory", `resources = {
			ports  = 80
			memory = 0
		}`, "resources.memory", "0"},
		{"no accelerator of a kind", `resources = {
			ports        = 80
			accelerators = "A100:0"
		}`, "resources.accelerators", "0"},
		{"a disk that has no size", `resources = {
			ports     = 80
			disk_size = "big"
		}`, "resources.disk_size", "big"},
		{"a tier that there is not", `resources = {
			ports     = 80
			disk_tier = "fast"
		}`, "resources.disk_tier", `must be one of "low"`},
		{"a port that is a word", `resources = {
			ports = "eighty"
		}`, "resources.ports", "neither a port nor a range of ports"},
		{"a port beyond all", `resources = {
			ports = 70000
		}`, "resources.ports", "Port 70000 is not between 1 and 65535"},
		{"a range that ends before it begins", `resources = {
			ports = "9000-8000"
		}`, "resources.ports", "ends before it begins"},
		{"several ports and no choice", `resources = {
			ports = "8080,9090"
		}`, "resources.ports", "say which of them receives traffic"},
		{"a choice that is not open", `ports = 81
		resources = {
			ports = 80
		}`, "resources.ports", "81, is not among the open ones"},
		{"no port", `resources = { cpus = 1 }`, "resources.ports", "No port is opened for traffic"},
		{"a price of 0", `resources = {
			ports           = 80
			max_hourly_cost = 0
		}`, "resources.max_hourly_cost", "0 is not possible here"},
		{"a negative price", `resources = {
			ports           = 80
			max_hourly_cost = -1
		}`, "resources.max_hourly_cost", "A price of -1 cannot be"},
		{"a label that the cloud refuses", `resources = {
			ports  = 80
			infra  = "gcp"
			labels = {
				Team = "search"
			}
		}`, `resources.labels["Team"]`, "lower-case"},
		{"a label that no node can have", `resources = {
			ports      = 80
			kubernetes = { node_selector = { "a b" = "c" } }
		}`, `resources.kubernetes.node_selector["a b"]`, "something other than letters"},
		{"a toleration with an operator that there is not", `resources = {
			ports  = 80
			any_of = [
				{ infra = "local" },
				{ kubernetes = { tolerations = [{ key = "gpu", operator = "exists" }] } },
			]
		}`, "resources.any_of[1].kubernetes.tolerations[0].operator", `"Exists"`},
		{"a toleration of an effect that there is not", `resources = {
			ports   = 80
			ordered = [
				{ kubernetes = { tolerations = [{ key = "gpu" }, { key = "gpu", effect = "NoExec" }] } },
			]
		}`, "resources.ordered[0].kubernetes.tolerations[1].effect", `"NoExecute"`},
		{"a toleration that is null", `resources = {
			ports      = 80
			kubernetes = { tolerations = [null] }
		}`, "resources.kubernetes.tolerations[0]", "null"},
		{"a toleration of nothing", `resources = {
			ports      = 80
			kubernetes = { tolerations = [{ effect = "NoSchedule" }] }
		}`, "resources.kubernetes.tolerations[0].key", "every taint"},
	}
}

func wrongYAML() []mistake {
	return []mistake{
		{"what is no YAML", `output {
  value = provider::serve::from_yaml("a: [")
}`, "document", "not YAML"},
		{"a file without a service", `output {
  value = provider::serve::from_yaml("run: x")
}`, "service", "There is no service section"},
		{"a key that there is not", `output {
  value = provider::serve::from_yaml("service: {readiness_probe: /, replica_polcy: {}}\nresources: {ports: 80}\nrun: x")
}`, "service.replica_polcy", "replica_policy"},
		{"a file with min above max", `output {
  value = provider::serve::from_yaml(<<-YAML
    service:
      readiness_probe: /health
      replica_policy: {min_replicas: 3, max_replicas: 2, target_qps_per_replica: 1}
    resources: {ports: 80}
    run: serve
  YAML
  )
}`, "service.replica_policy.max_replicas", "Line 3"},
		{"a file with two mistakes", `output {
  value = provider::serve::from_yaml("service: {readiness_probe: health}\nresources: {ports: 80, cpus: many}\nrun: x")
}`, "service.readiness_probe", "resources.cpus"},
	}
}
