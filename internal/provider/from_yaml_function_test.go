// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// fromYAML makes a service of a file, argument by argument.
func fromYAML(yaml string) string {
	return `
terraform {
  required_providers {
    serve = { source = "registry.terraform.io/hashicorp/serve" }
  }
}
locals {
  svc = provider::serve::from_yaml(<<-YAML
` + yaml + `
  YAML
  )
}
output "svc" { value = local.svc }
resource "serve_service" "web" {
  name                  = "web"
  readiness_probe       = local.svc.readiness_probe
  replicas              = local.svc.replicas
  replica_policy        = local.svc.replica_policy
  resources             = local.svc.resources
  ports                 = local.svc.ports
  load_balancing_policy = local.svc.load_balancing_policy
  load_balancer         = local.svc.load_balancer
  tls                   = local.svc.tls
  workdir               = local.svc.workdir
  file_mounts           = local.svc.file_mounts
  setup                 = local.svc.setup
  run                   = local.svc.run
  envs                  = local.svc.envs
  secrets_wo            = local.svc.secrets_wo
}
`
}

func TestAYAMLFileBecomesAService(t *testing.T) {
	t.Parallel()
	output := func(value knownvalue.Check, path tfjsonpath.Path) statecheck.StateCheck {
		return statecheck.ExpectKnownOutputValueAtPath("svc", path, value)
	}
	for _, row := range []struct {
		what, yaml string
		checks     []statecheck.StateCheck
	}{
		{"with a dynamic fallback", `
    service:
      readiness_probe: /health
      replica_policy:
        min_replicas: 2
        max_replicas: 3
        target_qps_per_replica: 1
        dynamic_ondemand_fallback: true
    resources:
      ports: 8081
      cpus: 2+
      use_spot: true
    workdir: .
    run: python3 server.py`,
			[]statecheck.StateCheck{
				has(knownvalue.StringExact("/health"), "readiness_probe", "path"),
				has(knownvalue.Int64Exact(3), "replica_policy", "max_replicas"),
				has(knownvalue.Bool(true), "replica_policy", "dynamic_ondemand_fallback"),
				has(knownvalue.Int64Exact(1), "replica_policy", "target_qps_per_replica"),
				has(knownvalue.StringExact("2+"), "resources", "cpus"),
				has(knownvalue.NotNull(), "workdir_digest"),
				output(knownvalue.Null(), tfjsonpath.New("name")),
				output(knownvalue.Null(), tfjsonpath.New("replicas")),
				output(knownvalue.Null(), tfjsonpath.New("load_balancer")),
				output(knownvalue.Null(), tfjsonpath.New("tls")),
			},
		},
		{"with a plain number and alternatives", `
    name: shop
    service:
      readiness_probe:
        path: /v1
        post_data: {prompt: hi}
      replicas: 2
      ports: 8080
      load_balancing_policy: round_robin
    resources:
      ports: [8080, 9090]
      any_of:
        - infra: kubernetes
        - infra: local
    envs: {MODE: fast}
    run: serve`,
			[]statecheck.StateCheck{
				has(knownvalue.Int64Exact(2), "replicas"),
				has(knownvalue.Null(), "replica_policy"),
				has(knownvalue.StringExact(`{"prompt":"hi"}`), "readiness_probe", "post_data"),
				has(knownvalue.StringExact("round_robin"), "load_balancing_policy"),
				has(knownvalue.StringExact("fast"), "envs", "MODE"),
				output(knownvalue.StringExact("shop"), tfjsonpath.New("name")),
				output(knownvalue.Int64Exact(8080), tfjsonpath.New("ports")),
				output(knownvalue.StringExact("local"), tfjsonpath.New("resources").AtMapKey("any_of").AtSliceIndex(1).AtMapKey("infra")),
			},
		},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			run(t, newInfra(ready), resource.TestStep{
				Config:            fromYAML(row.yaml),
				ConfigPlanChecks:  thenNothingToDo(),
				ConfigStateChecks: row.checks,
			})
		})
	}
}
