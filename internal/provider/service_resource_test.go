// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/compare"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// thenNothingToDo checks that the plan after an apply is empty.
func thenNothingToDo() resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}
}

// expecting checks what the plan says of the service.
func expecting(action plancheck.ResourceActionType, checks ...plancheck.PlanCheck) resource.ConfigPlanChecks {
	p := thenNothingToDo()
	p.PreApply = append(checks, plancheck.ExpectResourceAction(address, action))
	return p
}

// has checks one attribute in state.
func has(value knownvalue.Check, first string, rest ...string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, attribute(first, rest...), value)
}

func attribute(first string, rest ...string) tfjsonpath.Path {
	p := tfjsonpath.New(first)
	for _, r := range rest {
		p = p.AtMapKey(r)
	}
	return p
}

func TestAMinimalServiceIsCreatedWithDefaults(t *testing.T) {
	t.Parallel()
	run(t, newInfra(ready), resource.TestStep{
		Config:           service(""),
		ConfigPlanChecks: expecting(plancheck.ResourceActionCreate),
		ConfigStateChecks: []statecheck.StateCheck{
			has(knownvalue.StringExact("web"), "id"),
			has(knownvalue.StringExact("http://127.0.0.1:30001"), "endpoint"),
			has(knownvalue.StringExact("2023-11-14T22:13:20Z"), "created_at"),
			has(knownvalue.Int64Exact(1), "revision"),
			has(knownvalue.Int64Exact(1), "replicas"),
			has(knownvalue.Null(), "replica_policy"),
			has(knownvalue.StringExact("8081"), "resources", "ports"),
			has(knownvalue.Bool(false), "resources", "use_spot"),
			has(knownvalue.StringExact("/"), "readiness_probe", "path"),
			has(knownvalue.Int64Exact(1200), "readiness_probe", "initial_delay_seconds"),
			has(knownvalue.Int64Exact(120), "load_balancer", "stream_timeout_seconds"),
			has(knownvalue.StringExact("least_load"), "load_balancing_policy"),
			has(knownvalue.StringExact("local"), "controller", "infra"),
			has(knownvalue.Bool(true), "wait_for_ready"),
			has(knownvalue.ObjectExact(map[string]knownvalue.Check{
				"phase": knownvalue.StringExact("READY"), "message": knownvalue.Null(),
				"ready": knownvalue.Int64Exact(1), "total": knownvalue.Int64Exact(1), "failed": knownvalue.Int64Exact(0),
				"spot": knownvalue.Int64Exact(1), "on_demand": knownvalue.Int64Exact(0),
			}), "status"),
			has(knownvalue.MapExact(map[string]knownvalue.Check{"1": knownvalue.ObjectExact(map[string]knownvalue.Check{
				"market": knownvalue.StringExact("spot"), "location": knownvalue.StringExact("local/here/a"),
				"revision": knownvalue.Int64Exact(1), "status": knownvalue.StringExact("READY"),
				"endpoint":    knownvalue.StringExact("http://127.0.0.2:8081"),
				"launched_at": knownvalue.StringExact("2023-11-14T22:13:20Z"),
			})}), "replica_status"),
		},
	})
}

// full writes a service that uses every argument.
func full(dir string) string {
	return fmt.Sprintf(`
resource "serve_service" "web" {
  name = "web"
  readiness_probe = {
    path                                  = "/health"
    post_data                             = jsonencode({ prompt = "hi" })
    headers                               = { Authorization = "Bearer x" }
    initial_delay_seconds                 = 60
    timeout_seconds                       = 0.1
    endpoint_probe_interval_seconds       = 5
    consecutive_failure_threshold_timeout = 45
  }
  replica_policy = {
    min_replicas                            = 2
    max_replicas                            = 5
    target_qps_per_replica                  = { A100 = 2.5, A10G = 0.1 }
    num_overprovision                       = 1
    upscale_delay_seconds                   = 20
    downscale_delay_seconds                 = 40
    base_ondemand_fallback_replicas         = 1
    dynamic_ondemand_fallback               = true
    dynamic_ondemand_fallback_delay_seconds = 3
    spot_placer                             = "dynamic_fallback"
  }
  resources = {
    cpus            = "2+"
    memory          = 4
    accelerators    = "A100:1"
    use_spot        = true
    disk_size       = 100
    disk_tier       = "high"
    image_id        = "docker:python:3.13"
    ports           = "8080,9090-9092"
    labels          = { team = "search" }
    max_hourly_cost = 1.1
    any_of          = [{ infra = "local/here" }, { infra = "k8s/prod", kubernetes = {} }]
    kubernetes = {
      node_selector = { pool = "gpu" }
      tolerations   = [{ key = "gpu", operator = "Exists", effect = "NoSchedule" }, { key = "spot", value = "yes" }]
    }
  }
  ports                 = 8080
  load_balancing_policy = "instance_aware_least_load"
  load_balancer         = { stream_timeout_seconds = 240 }
  workdir               = %[1]q
  file_mounts           = { "/etc/app" = %[2]q }
  setup                 = "pip install ."
  run                   = "python3 server.py"
  envs                  = { MODE = "fast" }
  secrets_wo            = { TOKEN = "hunter2" }
  secrets_wo_version    = 1
  controller            = { infra = "local" }
  wait_for_ready        = true
  timeouts              = { create = "1m", update = "1m", delete = "1m" }
}
`, dir, filepath.Join(dir, "server.py"))
}

func TestAFullServiceIsCreatedAndImportedAgain(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"server.py": "serve()"})
	f := newInfra(ready)
	run(t, f,
		resource.TestStep{
			Config:           full(dir),
			ConfigPlanChecks: expecting(plancheck.ResourceActionCreate),
			ConfigStateChecks: []statecheck.StateCheck{
				has(knownvalue.Int64Exact(2), "status", "ready"),
				has(knownvalue.Null(), "replicas"),
				has(knownvalue.StringRegexp(regexp.MustCompile("^sha256:")), "workdir_digest"),
				has(knownvalue.StringRegexp(regexp.MustCompile("^sha256:")), "file_mounts_digests", "/etc/app"),
				has(knownvalue.Null(), "secrets_wo"),
			},
		},
		resource.TestStep{
			ResourceName:      address,
			ImportState:       true,
			ImportStateId:     "web",
			ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{
				// Nothing but the configuration knows these.
				"workdir", "file_mounts", "secrets_wo_version", "timeouts",
			},
		},
	)
	if got := f.count("put bundle"); got != 2 {
		t.Errorf("%d bundles were uploaded, want 2", got)
	}
}

func TestAnImportBlockNeedsOnlyWhatNoServiceKnows(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, map[string]string{"server.py": "serve()"})
	f := newInfra(ready)
	imported := resource.TestStep{
		Config: `import {
  to = serve_service.web
  id = "local/web"
}
` + full(dir),
		ConfigPlanChecks: expecting(plancheck.ResourceActionUpdate,
			// The secrets are sent once more; apart from them this is the same service.
			plancheck.ExpectUnknownValue(address, tfjsonpath.New("revision")),
			plancheck.ExpectKnownValue(address, tfjsonpath.New("endpoint"), knownvalue.StringExact("http://127.0.0.1:30001")),
		),
		ConfigStateChecks: []statecheck.StateCheck{has(knownvalue.Int64Exact(1), "revision")},
	}
	run(t, f,
		resource.TestStep{Config: full(dir)},
		resource.TestStep{Config: "removed {\n  from = serve_service.web\n  lifecycle { destroy = false }\n}"},
		imported,
	)
}

func TestAnImportOfAPlainServicePlansNothing(t *testing.T) {
	t.Parallel()
	const config = `readiness_probe = { path = "/health", timeout_seconds = 0.1 }
  replica_policy  = { min_replicas = 1, max_replicas = 3, target_qps_per_replica = 0.1 }
  envs            = { MODE = "fast" }`
	f := newInfra(ready)
	run(t, f,
		resource.TestStep{Config: service(config)},
		resource.TestStep{Config: "removed {\n  from = serve_service.web\n  lifecycle { destroy = false }\n}"},
		resource.TestStep{
			Config:           "import {\n  to = serve_service.web\n  id = \"web\"\n}\n" + service(config),
			ConfigPlanChecks: expecting(plancheck.ResourceActionNoop),
		},
	)
	if got := f.count("apply"); got != 1 {
		t.Errorf("the controller was applied to %d times, want once", got)
	}
}

func TestAChangedSpecIsUpdatedInPlace(t *testing.T) {
	t.Parallel()
	revision := statecheck.CompareValue(compare.ValuesDiffer())
	run(t, newInfra(ready),
		resource.TestStep{
			Config:            service(""),
			ConfigStateChecks: []statecheck.StateCheck{revision.AddStateValue(address, tfjsonpath.New("revision"))},
		},
		resource.TestStep{
			Config: service(`replicas = 3`),
			ConfigPlanChecks: expecting(plancheck.ResourceActionUpdate,
				plancheck.ExpectKnownValue(address, tfjsonpath.New("id"), knownvalue.StringExact("web")),
				plancheck.ExpectKnownValue(address, tfjsonpath.New("endpoint"), knownvalue.StringExact("http://127.0.0.1:30001")),
				plancheck.ExpectKnownValue(address, tfjsonpath.New("created_at"), knownvalue.NotNull()),
				plancheck.ExpectUnknownValue(address, tfjsonpath.New("revision")),
				plancheck.ExpectUnknownValue(address, tfjsonpath.New("status")),
				plancheck.ExpectUnknownValue(address, tfjsonpath.New("replica_status")),
			),
			ConfigStateChecks: []statecheck.StateCheck{
				revision.AddStateValue(address, tfjsonpath.New("revision")),
				has(knownvalue.Int64Exact(3), "status", "ready"),
				has(knownvalue.MapSizeExact(3), "replica_status"),
			},
		},
		resource.TestStep{
			Config:            service(`replica_policy = { min_replicas = 2 }`),
			ConfigPlanChecks:  expecting(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{has(knownvalue.Null(), "replicas"), has(knownvalue.Int64Exact(2), "replica_policy", "max_replicas")},
		},
		resource.TestStep{
			Config:            service(""),
			ConfigPlanChecks:  expecting(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{has(knownvalue.Int64Exact(1), "replicas"), has(knownvalue.Null(), "replica_policy")},
		},
	)
}

func TestAnotherNameIsAnotherService(t *testing.T) {
	t.Parallel()
	config := service("")
	run(t, newInfra(ready),
		resource.TestStep{Config: config},
		resource.TestStep{
			Config:           regexp.MustCompile(`"web"\n  run`).ReplaceAllString(config, "\"shop\"\n  run"),
			ConfigPlanChecks: expecting(plancheck.ResourceActionDestroyBeforeCreate, plancheck.ExpectUnknownValue(address, tfjsonpath.New("endpoint"))),
		},
	)
}

func TestADeadServiceIsImportedAndStartedAgain(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	run(t, f,
		resource.TestStep{Config: service("")},
		resource.TestStep{Config: "removed {\n  from = serve_service.web\n  lifecycle { destroy = false }\n}"},
		resource.TestStep{
			PreConfig:        func() { f.alter("web", func(c *controller) { c.dead = true }) },
			Config:           "import {\n  to = serve_service.web\n  id = \"web\"\n}\n" + service(""),
			ConfigPlanChecks: expecting(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{
				has(knownvalue.Int64Exact(1), "revision"),
				has(knownvalue.StringExact("web"), "id"),
				has(knownvalue.NotNull(), "created_at"),
				has(knownvalue.StringExact("READY"), "status", "phase"),
			},
		},
	)
}

func TestAChangeThatConcernsTerraformOnlyMakesNoRevision(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	tf.becomes(t, "create", service(""))
	tf.becomes(t, "update", service(`timeouts = { delete = "2m" }`))
	if got := f.count("apply"); got != 1 {
		t.Errorf("the controller was applied to %d times, want once", got)
	}
}

func TestAServiceThatDisappearsIsCreatedAgain(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	tf.becomes(t, "create", service(""))
	f.alter("web", func(c *controller) { c.svc = nil })
	tf.becomes(t, "create", service(""))
}

func TestWhatSomebodyElseChangedIsPutBack(t *testing.T) {
	t.Parallel()
	f := newInfra(ready)
	tf := newTerraform(t, f, "")
	tf.becomes(t, "create", service(`envs = { MODE = "fast" }`))
	f.alter("web", func(c *controller) {
		c.svc.Revision++
		c.svc.Spec.Envs = map[string]string{"MODE": "slow"}
		c.svc.Spec.ReplicaPolicy = serve.FixedReplicas(4)
	})
	tf.becomes(t, "update", service(`envs = { MODE = "fast" }`))
	if k := tf.kept(t); k.Values.Revision != 3 {
		t.Errorf("the service is at revision %d, want 3", k.Values.Revision)
	}
}

// writeFiles makes a directory with files in it.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		writeFile(t, filepath.Join(dir, name), content)
	}
	return dir
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
