// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mistake is a configuration that is wrong in one place.
type mistake struct {
	what string
	// config are arguments of a serve_service; name, run and resources have good
	// values unless they are among them. Or it is a whole output.
	config string
	// at is the attribute to blame: it must stand in the error's text, and the
	// argument it belongs to in the source that Terraform shows with it. Empty is
	// for what Terraform cannot place. says is part of the text, too.
	at, says string
}

// config writes all mistakes into one configuration, and gives for each the
// lines that are its own. Terraform finds all of them in one run.
func config(first int, mistakes []mistake) (text string, lines [][2]int) {
	var b strings.Builder
	at := first
	for i, m := range mistakes {
		block := block(i, m.config)
		lines = append(lines, [2]int{at, at + strings.Count(block, "\n")})
		at += strings.Count(block, "\n")
		b.WriteString(block)
	}
	return b.String(), lines
}

// block writes one service, or what is not one as it is.
func block(i int, arguments string) string {
	if strings.HasPrefix(arguments, "output") {
		return strings.Replace(arguments, "output", fmt.Sprintf("output \"row_%d\"", i), 1) + "\n"
	}
	body := fmt.Sprintf("resource \"serve_service\" \"row_%d\" {\n", i)
	for _, a := range [][2]string{{"name", `"web"`}, {"run", `"serve"`}, {"resources", `{ ports = 8081 }`}} {
		if !hasArgument(arguments, a[0]) {
			body += a[0] + " = " + a[1] + "\n"
		}
	}
	return body + strings.TrimPrefix(arguments, "\n") + "\n}\n"
}

// hasArgument reports whether an argument is set, or left out on purpose by a
// comment with its name.
func hasArgument(arguments, name string) bool {
	for line := range strings.Lines(arguments) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " =")
		if word == name || word == "# no "+name+"\n" || word == "# no "+name {
			return true
		}
	}
	return false
}

// expect checks that each mistake gave its own error and no other.
func expect(t *testing.T, mistakes []mistake, lines [][2]int, found []diagnostic) {
	t.Helper()
	for i, m := range mistakes {
		t.Run(m.what, func(t *testing.T) {
			var errs []string
			for _, d := range found {
				if at := d.Range.Start.Line; d.Severity != "error" || at < lines[i][0] || at >= lines[i][1] {
					continue
				}
				text := strings.Join(strings.Fields(d.Summary+": "+d.Detail), " ")
				if !strings.Contains(text, m.says) || !strings.Contains(text, m.at) || !shows(d, m.at) {
					t.Errorf("got the error %q at\n%s\nwant one about %q that says %q", text, d.Snippet.Code, m.at, m.says)
				}
				errs = append(errs, text)
			}
			if len(errs) != 1 {
				t.Errorf("got %d errors, want one about %q that says %q:\n%s", len(errs), m.at, m.says, strings.Join(errs, "\n"))
			}
		})
	}
	for _, d := range found {
		at := d.Range.Start.Line
		if !slices.ContainsFunc(lines, func(l [2]int) bool { return l[0] <= at && at < l[1] }) {
			t.Errorf("unexpected at line %d: %s: %s", at, d.Summary, d.Detail)
		}
	}
}

// shows reports whether Terraform shows the argument that the attribute belongs
// to, or the element when it is an element of the argument. What is missing has
// no line but that of the resource, and what is in a file that of the function.
func shows(d diagnostic, at string) bool {
	switch d.Summary {
	case "Missing required argument":
		return strings.HasPrefix(d.Snippet.Code, "resource")
	case "Invalid function argument":
		return strings.Contains(d.Snippet.Code, "from_yaml")
	}
	argument, rest, _ := strings.Cut(strings.ReplaceAll(at, "[", "."), ".")
	if _, err := strconv.QuotedPrefix(strings.TrimSuffix(rest, "]")); err == nil {
		argument = strings.Trim(rest, "\"]")
	}
	return strings.Contains(d.Snippet.Code, argument)
}

// header is how many lines newTerraform puts before a configuration.
const header = 5

func TestWhatIsWrongIsSaidWhenTheConfigurationIsValidated(t *testing.T) {
	t.Parallel()
	mistakes := slices.Concat(wrongTypes(), wrongService(), wrongPolicies(), wrongResources(), wrongYAML(), wrongControllers(), wrongBalancers(), wrongTLS(), wrongUpdates(), wrongConcurrency(), wrongCloudCredentials())
	if len(mistakes) < 40 {
		t.Fatalf("there are only %d rows", len(mistakes))
	}
	text, lines := config(header+1, mistakes)
	expect(t, mistakes, lines, newTerraform(t, newInfra(ready), text).validate(t))
}

func TestWhatOnlyThePlanCanKnowIsSaidByThePlan(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"key.pem": "no key", "cert.pem": "no certificate"})
	mistakes := []mistake{
		{"a controller on an infra that there is not", `controller = { infra = "gpc" }`, "controller", `putting a controller on "gpc": not found: there is only ` + "`kubernetes`, `local`"},
		{"a cloud that the controller has no machines of", `resources = {
			ports = 80
			infra = "aws/us-east-1"
		}`, "resources.infra", `A controller on "local" has no machines of the cloud "aws"; it has those of ` + "`local`, `kubernetes`"},
		{"such a cloud among the alternatives", `resources = {
			ports  = 80
			any_of = [
				{ infra = "local" },
				{ cloud = "GCP" },
			]
		}`, "resources.any_of[1].cloud", `has no machines of the cloud "gcp"`},
		{"such a cloud in order of preference", `resources = {
			ports   = 80
			ordered = [
				{ infra = "gcp/us-east1" },
			]
		}`, "resources.ordered[0].infra", `has no machines of the cloud "gcp"`},
		{"a workdir that is not there", `workdir = "./srcc"`, "workdir", `"./srcc" does not exist. A relative path begins where Terraform runs`},
		{"a workdir that is a file", `workdir = "` + filepath.Join(dir, "key.pem") + `"`, "workdir", "is a file; a single file is put on replicas by file_mounts"},
		{"a mount of nothing", `file_mounts = {
			"/a" = "` + dir + `"
			"/b" = "./nowhere"
		}`, `file_mounts["/b"]`, `"./nowhere" does not exist`},
		{"a mount of a bucket", `file_mounts = {
			"/a" = "s3://bucket/key"
		}`, `file_mounts["/a"]`, "Buckets and URLs are not supported"},
		{"a certificate that is none", `tls = {
			keyfile  = "` + filepath.Join(dir, "key.pem") + `"
			certfile = "` + filepath.Join(dir, "cert.pem") + `"
		}`, "tls.certfile", "The certificate and the key cannot be used together"},
	}
	text, lines := config(header+1, mistakes)
	expect(t, mistakes, lines, newTerraform(t, newInfra(ready), text).plan(t))
}

// unknowable are configurations with a value that is known after the apply only.
// None is wrong, whatever the value will be.
func unknowable() []string {
	return []string{
		`name = UNKNOWN`,
		`run = UNKNOWN`,
		`setup = UNKNOWN`,
		`replicas = length(UNKNOWN)`,
		`readiness_probe = { path = UNKNOWN }`,
		`readiness_probe = { post_data = UNKNOWN, headers = { A = UNKNOWN } }`,
		`readiness_probe = UNKNOWN == "" ? null : { path = "/" }`,
		`replica_policy = { min_replicas = length(UNKNOWN), max_replicas = 0, target_qps_per_replica = 1 }`,
		`replica_policy = { min_replicas = 3, max_replicas = length(UNKNOWN), target_qps_per_replica = length(UNKNOWN) }`,
		`replica_policy = { min_replicas = 1, max_replicas = 2, target_qps_per_replica = { A100 = length(UNKNOWN) } }
		load_balancing_policy = "instance_aware_least_load"`,
		`replica_policy = { min_replicas = 1, max_replicas = 2, target_qps_per_replica = jsondecode(UNKNOWN) }`,
		`replica_policy = UNKNOWN == "" ? null : { min_replicas = 1 }
		replicas = UNKNOWN == "" ? 1 : null`,
		`replica_policy = { min_replicas = 1, dynamic_ondemand_fallback = UNKNOWN == "" }`,
		`replica_policy = { min_replicas = 1, dynamic_ondemand_fallback = true }
		resources = { ports = 80, use_spot = UNKNOWN == "" }`,
		`resources = { ports = UNKNOWN }`,
		`resources = { ports = "80,81" }
		ports = length(UNKNOWN)`,
		`resources = { infra = UNKNOWN, ports = 80, labels = { (UNKNOWN) = "x" } }`,
		`resources = { any_of = [{ infra = UNKNOWN, ports = UNKNOWN }, { ports = 81 }] }`,
		`resources = { any_of = UNKNOWN == "" ? null : [{ ports = 80 }] }`,
		`resources = UNKNOWN == "" ? { ports = 80 } : null`,
		`resources = { ports = 80, kubernetes = { node_selector = { (UNKNOWN) = UNKNOWN }, tolerations = [{ key = UNKNOWN }] } }`,
		`resources = { ports = 80, any_of = [{ kubernetes = { tolerations = [{ operator = UNKNOWN, effect = UNKNOWN }] } }] }`,
		`resources = { ports = 80, kubernetes = UNKNOWN == "" ? null : { tolerations = UNKNOWN == "" ? null : [{ key = "a" }] } }`,
		`load_balancing_policy = UNKNOWN`,
		`load_balancer = { stream_timeout_seconds = length(UNKNOWN) }`,
		`load_balancer = UNKNOWN == "" ? null : { stream_timeout_seconds = 1 }`,
		`load_balancer = { api_key_digests = [sha256(UNKNOWN), UNKNOWN, UNKNOWN], max_request_bytes = length(UNKNOWN), access_log = UNKNOWN == "" }`,
		`load_balancer = { session_affinity = { cookie = UNKNOWN }, drain_timeout_seconds = length(UNKNOWN) }`,
		`load_balancer = { session_affinity = UNKNOWN == "" ? null : { header = UNKNOWN }, api_key_digests = UNKNOWN == "" ? null : [] }`,
		`tls = { keyfile = UNKNOWN, certfile = "cert.pem" }`,
		`tls = UNKNOWN == "" ? null : { keyfile = "a", certfile = "b" }`,
		`tls = { keyfile = "made-later.pem", certfile = "made-later.pem" }`,
		`tls = { acme = { domains = [UNKNOWN, UNKNOWN], agree_to_terms = UNKNOWN == "", email = UNKNOWN, directory_url = UNKNOWN } }`,
		`tls = { acme = UNKNOWN == "" ? null : { domains = ["a.example.com"], agree_to_terms = true } }`,
		`tls = { keyfile = UNKNOWN == "" ? null : "a", acme = UNKNOWN == "" ? null : { domains = ["a.example.com"], agree_to_terms = true } }`,
		`workdir = UNKNOWN`,
		`file_mounts = { "/a" = UNKNOWN }`,
		`file_mounts = { (UNKNOWN) = "." }`,
		`envs = { PORT_OF_DB = UNKNOWN }`,
		`envs = { (UNKNOWN) = "x" }`,
		`secrets_wo = { TOKEN = UNKNOWN }
		envs = { (UNKNOWN) = "x" }`,
		`secrets_wo_version = length(UNKNOWN)`,
		`cloud_credentials_wo = { aws = { access_key = UNKNOWN, secret_key = UNKNOWN }, gcp = { credentials = UNKNOWN } }
		cloud_credentials_wo_version = length(UNKNOWN)`,
		`cloud_credentials_wo = { gcp = UNKNOWN == "" ? null : { credentials = "{}" } }
		cloud_credentials_wo_version = 1`,
		`controller = { infra = UNKNOWN }`,
		`replica_policy = { min_replicas = 1, schedules = [{ days = [UNKNOWN], from = UNKNOWN, to = UNKNOWN, time_zone = UNKNOWN, min_replicas = length(UNKNOWN) }] }`,
		`replica_policy = { min_replicas = 1, schedules = UNKNOWN == "" ? null : [{ from = "08:00", to = "09:00", min_replicas = 2, max_replicas = length(UNKNOWN) }] }`,
		`replica_policy = { min_replicas = 1, max_replicas = 3, external_metric = { url = UNKNOWN, field = UNKNOWN, target_per_replica = length(UNKNOWN) } }`,
		`replica_policy = { min_replicas = 1, max_replicas = 3, external_metric = UNKNOWN == "" ? null : { url = "http://x", target_per_replica = 1 } }`,
		`replica_policy = { min_replicas = 1, max_replicas = 3, target_concurrency_per_replica = length(UNKNOWN) }`,
		`replica_policy = { min_replicas = 1, max_replicas = length(UNKNOWN), target_concurrency_per_replica = 4 }`,
		`rolling_update = { max_surge = length(UNKNOWN), max_unavailable = length(UNKNOWN) }
		update_mode = UNKNOWN`,
		`rolling_update = UNKNOWN == "" ? null : { max_surge = 2 }`,
		`controller = UNKNOWN == "" ? null : { infra = "local" }`,
		`controller = { infra = "kubernetes", namespace = UNKNOWN, image = UNKNOWN, copies = length(UNKNOWN) }`,
		`controller = { infra = UNKNOWN, image_repository = UNKNOWN, service = { type = UNKNOWN, annotations = { (UNKNOWN) = UNKNOWN } } }`,
		`controller = { infra = "kubernetes", service = UNKNOWN == "" ? null : { type = "NodePort" } }`,
		`wait_for_ready = UNKNOWN == ""`,
		`timeouts = { create = UNKNOWN }`,
	}
}

func TestWhatIsNotKnownYetIsNotWrong(t *testing.T) {
	t.Parallel()
	var rows []mistake
	for _, row := range unknowable() {
		rows = append(rows, mistake{config: strings.ReplaceAll(row, "UNKNOWN", "terraform_data.late.output")})
		rows = append(rows, mistake{config: strings.ReplaceAll(row, "UNKNOWN", "var.text")})
	}
	text, lines := config(header+1, rows)
	tf := newTerraform(t, newInfra(ready), text+`
resource "terraform_data" "late" { input = timestamp() }
variable "text" { type = string }
`)
	tf.env = append(tf.env, "TF_VAR_text=80")
	for _, d := range tf.validate(t) {
		t.Errorf("validate: %s: %s", d.Summary, d.Detail)
	}
	for _, d := range tf.plan(t) {
		i := slices.IndexFunc(lines, func(l [2]int) bool { return l[0] <= d.Range.Start.Line && d.Range.Start.Line < l[1] })
		// What is wrong once the variable has its value is said by the plan.
		if i >= 0 && strings.Contains(rows[i].config, "var.text") {
			continue
		}
		t.Errorf("plan: %s: %s\n%s", d.Summary, d.Detail, d.Snippet.Code)
	}
}
