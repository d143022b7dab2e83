# What the module asks for, seen in a plan. The provider is a mock: nothing is
# started and no directory is read.

mock_provider "serve" {}

variables {
  name    = "greeter"
  team    = "hello"
  workdir = "../../http_server"
  run     = "python3 server.py"
}

run "spot_with_fallback_unless_told_otherwise" {
  command = plan

  assert {
    condition     = serve_service.this.resources.use_spot
    error_message = "Replicas are not asked for on spot machines."
  }

  assert {
    condition     = serve_service.this.replica_policy.dynamic_ondemand_fallback
    error_message = "On-demand replicas do not stand in for spot ones."
  }
}

run "as_many_at_most_as_at_least" {
  command = plan

  variables {
    replicas = { min = 3 }
  }

  assert {
    condition     = serve_service.this.replica_policy.max_replicas == 3
    error_message = "Without a greatest number the number of replicas is not fixed."
  }
}

run "machines_carry_the_team" {
  command = plan

  assert {
    condition     = serve_service.this.resources.labels["team"] == "hello"
    error_message = "The label of the team is missing."
  }
}

run "a_privileged_port_is_refused" {
  command = plan

  variables {
    port = 80
  }

  expect_failures = [var.port]
}

run "no_replica_at_all_is_refused" {
  command = plan

  variables {
    replicas = { min = 0 }
  }

  expect_failures = [var.replicas]
}

run "a_shouting_team_is_refused" {
  command = plan

  variables {
    team = "HELLO"
  }

  expect_failures = [var.team]
}
