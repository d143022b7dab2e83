// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/skyserve"
)

// mistake is a file with one thing wrong: exactly one error at path must say so.
type mistake struct {
	name string
	yaml string
	path string
	says string
}

// refused reads YAML that must be refused.
func refused(t *testing.T, yaml string) serve.FieldErrors {
	t.Helper()
	_, err := skyserve.Parse([]byte(yaml))
	var es serve.FieldErrors
	if !errors.As(err, &es) {
		t.Fatalf("got %v, want field errors for\n%s", err, yaml)
	}
	return es
}

func TestParseFindsTheOneMistake(t *testing.T) {
	t.Parallel()
	for _, row := range slices.Concat(documentMistakes(), serviceMistakes(), policyMistakes(), resourceMistakes(), taskMistakes()) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			es := refused(t, row.yaml)
			if len(es) != 1 || es[0].Path != row.path || !strings.Contains(es[0].Message, row.says) {
				t.Errorf("got\n%v\nwant path %q and a message with %q for\n%s", es, row.path, row.says, row.yaml)
			}
		})
	}
}

func documentMistakes() []mistake {
	return []mistake{
		{"an empty file", "", "document", "is empty"},
		{"a file of comments", "# nothing\n", "document", "is empty"},
		{"a file with no value", "---\n", "document", "is empty; it must be a mapping"},
		{"a plain string", "just text", "document", "is text; it must be a mapping"},
		{"a list", "- service", "document", "is a list"},
		{"not YAML", "service: [", "document", "is not YAML: line 1"},
		{"a tab for indentation", "service:\n\treplicas: 1", "document", "line 2"},
		{"two documents", minimal + "---\n" + minimal, "document", "more than one document"},
		{"an alias that contains itself", "a: &a [*a]\n", "document", "contains itself"},
		{"no service section", "run: x\nresources: {ports: 80}\n", "service", "is not a service"},
		{"a service section without a value", "service:\nrun: x\nresources: {ports: 80}\n", "service", "is not a service"},
		{"a service section that is text", "service: /health\nrun: x\nresources: {ports: 80}\n", "service", "Line 1: It is text; it must be a mapping"},
		{"an unknown key", task("serivce: x"), "serivce", `did you mean "service"?`},
		{"a key nobody knows", task("zzz: x"), "zzz", "the keys are envs, secrets, name"},
		{"a key that is a list", task("[a]: b"), "document", "a key is a list or a mapping"},
		{"a key twice", task("run: other"), "run", `Line 7: The key "run" is there twice, first on line 6`},
		{"a pool", task("pool: {workers: 1}"), "pool", "A job pool is not a service"},
		{"a pool and no service", "pool: {workers: 2}\nservice: {}\nresources: {ports: 80}\nrun: x\n", "pool", "Line 1: A job pool"},
	}
}

func serviceMistakes() []mistake {
	return []mistake{
		{"V6 a probe path without a slash", with("/health", "health"), "service.readiness_probe", `Line 3: The path "health"`},
		{"a probe that is a number", with("/health", "8080"), "service.readiness_probe", "a path, or a mapping with a path"},
		{"a probe without a path", probe("timeout_seconds: 3"), "service.readiness_probe.path", "has no path"},
		{"a probe with a path of null", probe("path:"), "service.readiness_probe.path", "Line 4: It is empty; it must be text"},
		{"an unknown key of a probe", probe("path: /\ntimeout_second: 3"), "service.readiness_probe.timeout_second", `did you mean "timeout_seconds"?`},
		{"a timeout in text", probe("path: /\ntimeout_seconds: 15s"), "service.readiness_probe.timeout_seconds", "Line 5: It is text; it must be a number"},
		{"no timeout", probe("path: /\ntimeout_seconds: 0"), "service.readiness_probe.timeout_seconds", "Line 5: 0 seconds is no time at all"},
		{"an endless grace period", probe("path: /\ninitial_delay_seconds: .inf"), "service.readiness_probe.initial_delay_seconds", "not a finite number"},
		{"a header that is a number", probe("path: /\nheaders: {X: 1}"), `service.readiness_probe.headers["X"]`, "within quotes"},
		{"a header name with a space", probe("path: /\nheaders: {X Y: z}"), `service.readiness_probe.headers["X Y"]`, "not the name of an HTTP header"},
		{"V9 a stream timeout of the probe", probe("path: /\nstream_timeout_seconds: 240"), "service.readiness_probe.stream_timeout_seconds", "belongs under service.load_balancer"},
		{"V10 post data that is not JSON", probe("path: /\npost_data: '{bad'"), "service.readiness_probe.post_data", "Line 5: It is not valid JSON"},
		{"post data of nothing", probe("path: /\npost_data: ''"), "service.readiness_probe.post_data", "it is empty"},
		{"post data with something behind it", probe("path: /\npost_data: '{} {}'"), "service.readiness_probe.post_data", "something follows"},
		{"post data that is a list", probe("path: /\npost_data: [1]"), "service.readiness_probe.post_data", "a mapping or a JSON document"},
		{"post data with a key twice", probe("path: /\npost_data: {a: 1, a: 2}"), "service.readiness_probe.post_data", "already defined"},
		{"post data with a number for a key", probe("path: /\npost_data: {1: 2}"), "service.readiness_probe.post_data", "cannot be written as JSON"},
		{"V11 port 0", service("ports: 0"), "service.ports", "Line 4: Port 0 is not between"},
		{"V11 port 70000", service("ports: 70000"), "service.ports", "Line 4: Port 70000"},
		{"several ports for traffic", service("ports: [8080]"), "service.ports", "a whole number"},
		{"a balancing policy in another case", service("load_balancing_policy: Round_Robin"), "service.load_balancing_policy", `Line 4: "Round_Robin" is not known (did you mean "round_robin"?)`},
		{"a balancing policy for a service without a target", service("load_balancing_policy: instance_aware_least_load"), "service.load_balancing_policy", "write a replica_policy instead"},
		{"a stream timeout of zero", service("load_balancer: {stream_timeout_seconds: 0}"), "service.load_balancer.stream_timeout_seconds", "no time at all"},
		{"an unknown key of the balancer", service("load_balancer: {policy: x}"), "service.load_balancer.policy", "the keys are stream_timeout_seconds"},
		{"V17 TLS with only a key", service("tls: {keyfile: k.pem}"), "service.tls.certfile", "path of the certfile"},
		{"V17 TLS with only a certificate", service("tls: {certfile: c.pem}"), "service.tls.keyfile", "both a keyfile and a certfile"},
		{"a pool within the service", service("pool: {}"), "service.pool", "A job pool is not a service"},
		{"workers within the service", service("workers: 3"), "service.workers", "A job pool is not a service"},
		{"an indentation that is too deep", service("run: x"), "service.run", "it belongs at the left margin"},
	}
}

func policyMistakes() []mistake {
	const at = "service.replica_policy."
	instanceAware := func(target string) string {
		return service("load_balancing_policy: instance_aware_least_load\nreplica_policy: {min_replicas: 1, max_replicas: 2, target_qps_per_replica: " + target + "}")
	}
	return []mistake{
		{"V1 a maximum below the minimum", policy("min_replicas: 3\nmax_replicas: 2"), at + "max_replicas", "Line 6: max_replicas is 2, which is less than min_replicas, 3"},
		{"V2 a target without a maximum", policy("min_replicas: 1\ntarget_qps_per_replica: 1"), at + "max_replicas", "max_replicas must be set"},
		{"V3 a range without a target", policy("min_replicas: 1\nmax_replicas: 2"), at + "max_replicas", "nothing scales between them"},
		{"V4 both a number and a policy", service("replicas: 2\nreplica_policy: {min_replicas: 2}"), "service.replicas", "Line 4: A plain number of replicas excludes a replica_policy"},
		{"a policy without a minimum", policy("max_replicas: 2"), at + "min_replicas", "has no min_replicas"},
		{"replicas at least in text", policy("min_replicas: two"), at + "min_replicas", "Line 5: It is text; it must be a whole number"},
		{"half a replica", policy("min_replicas: 1.5"), at + "min_replicas", "a whole number"},
		{"a negative number of replicas", service("replicas: -1"), "service.replicas", "-1 replicas cannot be"},
		{"a negative minimum", policy("min_replicas: -1"), at + "min_replicas", "Line 5: -1 replicas"},
		{"true replicas", service("replicas: true"), "service.replicas", "It is true or false"},
		{"a policy that is a number", service("replica_policy: 2"), "service.replica_policy", "must be a mapping"},
		{"a target of what is under way without a maximum", policy("min_replicas: 1\ntarget_concurrency_per_replica: 4"), at + "max_replicas", "max_replicas must be set"},
		{"a target of nothing under way", policy("min_replicas: 1\nmax_replicas: 2\ntarget_concurrency_per_replica: 0"), at + "target_concurrency_per_replica", "it must be more"},
		{"a target of 0", policy("min_replicas: 1\nmax_replicas: 2\ntarget_qps_per_replica: 0"), at + "target_qps_per_replica", "Line 7: 0 requests per second"},
		{"a target that is a list", policy("min_replicas: 1\nmax_replicas: 2\ntarget_qps_per_replica: [1]"), at + "target_qps_per_replica", "a mapping from accelerators to numbers"},
		{"a target of text for an accelerator", instanceAware("{A100: fast}"), at + `target_qps_per_replica["A100"]`, "It is text; it must be a number"},
		{"V14 one target for the instance aware", instanceAware("1"), at + "target_qps_per_replica", "a target for each accelerator"},
		{"V14 a target per accelerator and least_load", policy("min_replicas: 1\nmax_replicas: 2\ntarget_qps_per_replica: {A100: 1}"), "service.load_balancing_policy", "instance_aware_least_load"},
		{"V13 a base without spot", policy("min_replicas: 1\nbase_ondemand_fallback_replicas: 1"), "resources.use_spot", "set use_spot to true"},
		{"a base beyond the maximum", strings.Replace(policy("min_replicas: 1\nbase_ondemand_fallback_replicas: 2"), "ports:", "use_spot: true\n  ports:", 1), at + "base_ondemand_fallback_replicas", "more than max_replicas, which is 1"},
		{"a fallback in text", policy("min_replicas: 1\ndynamic_ondemand_fallback: 'yes'"), at + "dynamic_ondemand_fallback", "It is text; it must be true or false"},
		{"a placer in another case", strings.Replace(policy("min_replicas: 1\nspot_placer: DYNAMIC_FALLBACK"), "ports:", "use_spot: true\n  ports:", 1), at + "spot_placer", `did you mean "dynamic_fallback"?`},
		{"an option beside the policy", service("max_replicas: 3"), "service.max_replicas", "it belongs under service.replica_policy"},
		{"a mistyped option, of which the rest must not complain", policy("min_replicas: 1\nmax_replica: 3"), at + "max_replica", `did you mean "max_replicas"?`},
	}
}

func resourceMistakes() []mistake {
	const at = "resources."
	return []mistake{
		{"no resources", "service: {}\nrun: x\n", at + "ports", "No port is opened"},
		{"resources that are a list", "service: {}\nresources: [1]\nrun: x\n", "resources", "must be a mapping"},
		{"an unknown key", resources("cpu: 2"), at + "cpu", `did you mean "cpus"?`},
		{"V12 spot and on-demand alternatives", resources("any_of:\n- use_spot: true\n- use_spot: false"), at + "any_of[1].use_spot", "Line 8: Some entries are spot"},
		{"V15 two ports and none for traffic", with("8080", "[8080, 8081]"), at + "ports", "Several ports are open, 8080,8081"},
		{"V16 two alternatives with a port each", with("ports: 8080", "any_of: [{ports: 8080}, {ports: 9090}]"), at + "any_of[1].ports", "opens port 9090 and another one 8080"},
		{"a traffic port that is not open", service("ports: 8081"), at + "ports", "8081, is not among the open ones, 8080"},
		{"a port of 0", with("8080", "0"), at + "ports", "Line 5: Port 0"},
		{"a port that is true", with("8080", "true"), at + "ports", "a port, a range"},
		{"an empty port in a list", with("8080", "[8080, '']"), at + "ports[1]", "It is empty"},
		{"processors that are a list", resources("cpus: [2]"), at + "cpus", "It is a list; it must be a number or text"},
		{"processors of nothing", resources("cpus: ''"), at + "cpus", "It is empty"},
		{"fewer than no processors", resources("cpus: -2"), at + "cpus", `"-2" is not a number above 0`},
		{"memory in an unknown unit", resources("memory: 16 Gigs"), at + "memory", `unknown unit "Gigs"`},
		{"a disk of no size", resources("disk_size: 0"), at + "disk_size", `"0" is not a number above 0`},
		{"a price ceiling of 0", resources("max_hourly_cost: 0"), at + "max_hourly_cost", "It is 0; it must be more"},
		{"spot in text", resources("use_spot: maybe"), at + "use_spot", "true or false"},
		{"an unknown cloud", resources("infra: aws2/us-east-1"), at + "infra", `Line 6: "aws2" is not known (did you mean "aws"?)`},
		{"infra and region together", resources("infra: aws\nregion: us-east-1"), at + "infra", "infra excludes cloud, region and zone"},
		{"an image for each region", resources("image_id: {us-east-1: ami-0abc}"), at + "image_id", "Line 6: An image for each region is not supported"},
		{"a label that is a number", resources("labels: {a: 1}"), at + `labels["a"]`, "within quotes"},
		{"both kinds of alternatives", resources("any_of: [{infra: aws}]\nordered: [{infra: gcp}]"), at + "ordered", "exclude each other"},
		{"alternatives that are no list", resources("any_of: {infra: aws}"), at + "any_of", "must be a list"},
		{"an alternative that is text", resources("any_of: [aws]"), at + "any_of[0]", "must be a mapping"},
		{"alternatives within alternatives", resources("any_of: [{any_of: []}]"), at + "any_of[0].any_of", "not possible"},
		{"accelerators that are a number", resources("accelerators: 8"), at + "accelerators", "the name of an accelerator"},
		{"accelerators of nothing", resources("accelerators: {}"), at + "accelerators", "names no accelerator"},
		{"an accelerator count in words", resources("accelerators: {A100: many}"), at + "accelerators", `The count in "A100:many"`},
		{"an accelerator count that is a list", resources("accelerators: {A100: [1]}"), at + `accelerators["A100"]`, "a number of accelerators"},
		{"one of several accelerators with a count of 0", resources("accelerators: {A100: 1, L4: 0}"), at + "accelerators", `The count in "L4:0"`},
		{"several accelerators and ordered", resources("accelerators: {A100, L4}\nordered: [{infra: aws}]"), at + "accelerators", "cannot be combined with ordered"},
		{"several accelerators within ordered", resources("ordered: [{accelerators: [A100, L4]}]"), at + "ordered[0]", "cannot be combined with ordered"},
		{"accelerators in order and any_of", resources("accelerators: [A100, L4]\nany_of: [{infra: aws}]"), at + "accelerators", "cannot be combined with any_of"},
		{"accelerators in order within any_of", resources("any_of: [{accelerators: [A100, L4]}]"), at + "any_of[0]", "any_of has none"},
		{"a mistake in an entry that two accelerators share is one", resources("accelerators: {A100, L4}\nany_of: [{infra: gcp}, {cpus: x, infra: aws}]"), at + "any_of[1].cpus", `"x" is not a number above 0`},
		{"a placer over several accelerators", strings.Replace(policy("min_replicas: 1\nspot_placer: dynamic_fallback"), "ports:", "use_spot: true\n  accelerators: {A100, L4}\n  ports:", 1), at + "accelerators", "A spot placer chooses among places"},
		{"job recovery", resources("job_recovery: failover"), at + "job_recovery", "replaces lost replicas by itself"},
		{"autostop", resources("autostop: 10"), at + "autostop", "take autostop out"},
		{"a key of SkyPilot's that means nothing here", resources("network_tier: best"), at + "network_tier", "network_tier is not supported"},
	}
}

func taskMistakes() []mistake {
	return []mistake{
		{"nothing to run", with("run: serve\n", ""), "run", "There is nothing to run"},
		{"a command that is a list", with("run: serve", "run: [serve]"), "run", "It is a list; it must be text"},
		{"a name that a service cannot have", task("name: my web"), "name", `Line 7: "my web" is not a name`},
		{"a name that is a number", task("name: 1"), "name", "It is a number; it must be text"},
		{"two nodes", task("num_nodes: 2"), "num_nodes", "Line 7: A replica of 2 nodes is not supported"},
		{"nodes in text", task("num_nodes: many"), "num_nodes", "a whole number"},
		{"a git workdir", task("workdir: {url: https://example.com/x.git, ref: main}"), "workdir", "A git repository as workdir is not supported"},
		{"a workdir that is a number", task("workdir: 1"), "workdir", "It is a number"},
		{"a bucket as a file mount", task("file_mounts: {/data: s3://bucket}"), `file_mounts["/data"]`, "Buckets and URLs are not supported"},
		{"a storage object as a file mount", task("file_mounts: {/data: {name: b, mode: MOUNT}}"), `file_mounts["/data"]`, "write a local path"},
		{"a file mount of nothing", task("file_mounts: {/data: ''}"), `file_mounts["/data"]`, "It is empty"},
		{"a file mount without a source", task("file_mounts: {/data: }"), `file_mounts["/data"]`, "It is empty"},
		{"a file mount that climbs out", task("file_mounts: {../x: ./x}"), `file_mounts["../x"]`, "goes up"},
		{"two file mounts at one place", task("envs: {A: /m}\nfile_mounts: {/m: ./x, $A: ./y}"), `file_mounts["/m"]`, "twice once its variables are replaced"},
		{"a variable without a value", task("envs:\n  HF_TOKEN:"), `envs["HF_TOKEN"]`, "Line 8: The variable has no value"},
		{"a variable that is a list", task("envs: {A: [1]}"), `envs["A"]`, "text, a number, true or false"},
		{"variables that are a list", task("envs: [A]"), "envs", "must be a mapping"},
		{"a variable of ours", task("envs: {PORT: 80}"), `envs["PORT"]`, "Line 7: \"PORT\" is set for every replica"},
		{"a variable with a dash", task("envs: {A-B: 80}"), `envs["A-B"]`, "not the name of a variable"},
		{"a secret without a value", task("secrets: {TOKEN: }"), `secrets["TOKEN"]`, "has no value"},
		{"a variable that is a secret too", task("envs: {T: a}\nsecrets: {T: b}"), `secrets["T"]`, "in envs too"},
		{"a secret in a header", probe("path: /\nheaders: {A: 'Bearer $T'}") + "secrets: {T: b}\n", `service.readiness_probe.headers["A"]`, `Line 5: It refers to the secret "T"`},
		{"a secret in a path", task("secrets: {T: b}\nworkdir: ./${T}"), "workdir", `refers to the secret "T"`},
		{"settings of SkyPilot", task("config: {}"), "config", "are not supported"},
		{"volumes", task("volumes: {/d: v}"), "volumes", "Volumes are not supported"},
		{"a callback", task("event_callback: x"), "event_callback", "Callbacks are not supported"},
		{"a machine at the left margin", task("use_spot: true"), "use_spot", "it belongs under resources"},
		{"a key twice in a mapping of one's own", task("envs: {A: 1, A: 2}"), `envs.A`, "twice"},
	}
}

func TestParseFindsEveryMistakeInTheOrderOfLines(t *testing.T) {
	t.Parallel()
	es := refused(t, `name: "-"
service:
  readiness_probe: {path: health, timeout: 3}
  replica_policy:
    min_replicas: one
    max_replicas: 0
    base_ondemand_fallback_replicas: 1
resources:
  cpus: zero
  ports: 80
volumes: {}
`)
	var got []string
	for _, e := range es {
		line, _, _ := strings.Cut(e.Message, ":")
		got = append(got, line+" "+e.Path)
	}
	want := []string{
		"There is nothing to run; write the command that starts the server. run",
		"Line 1 name",
		"Line 3 service.readiness_probe.timeout",
		"Line 3 service.readiness_probe.path",
		"Line 5 service.replica_policy.min_replicas",
		"Line 8 resources.use_spot",
		"Line 9 resources.cpus",
		"Line 11 volumes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s\n%v", diff, es)
	}
}

func TestParseTranslatesWhatARuleLookedAt(t *testing.T) {
	t.Parallel()
	es := refused(t, policy("min_replicas: 3\nmax_replicas: 2"))
	if diff := cmp.Diff([]string{"service.replica_policy.min_replicas"}, es[0].Related); diff != "" {
		t.Errorf("related (-want +got):\n%s", diff)
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	s := parse(t, policy("min_replicas: 1")+"envs: {A: 1}\n")
	s2 := parse(t, resources("accelerators: {A100, L4}\nany_of: [{infra: aws}]"))
	rows := []struct {
		service skyserve.Service
		path    string
		want    bool
	}{
		{s, "readiness_probe", true},
		{s, "readiness_probe.path", true},
		{s, "readiness_probe.timeout_seconds", false},
		{s, "replica_policy.min_replicas", true},
		{s, "replica_policy.max_replicas", false},
		{s, "replicas", false},
		{s, "resources.ports", true},
		{s, "ports", false},
		{s, `envs["A"]`, true},
		{s, "setup", false},
		{s2, "resources.any_of[1].infra", true},
		{s2, "resources.any_of[1].accelerators", true},
		{s2, "resources.any_of[2]", false},
		{s2, "resources.any_of[0].cpus", false},
	}
	for _, row := range rows {
		if got := row.service.Has(row.path); got != row.want {
			t.Errorf("Has(%q) = %v, want %v", row.path, got, row.want)
		}
	}
}
