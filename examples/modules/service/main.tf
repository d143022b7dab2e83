# What an infrastructure repository would keep: the house's way to serve, with
# spot replicas and the fallback decided once, and few things left to choose.

terraform {
  required_version = ">= 1.11"

  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

resource "serve_service" "this" {
  name = var.name

  readiness_probe = {
    path                            = var.health_path
    endpoint_probe_interval_seconds = 1
  }

  replica_policy = {
    min_replicas                    = var.replicas.min
    max_replicas                    = coalesce(var.replicas.max, var.replicas.min)
    target_qps_per_replica          = var.target_qps_per_replica
    base_ondemand_fallback_replicas = var.always_on_demand
    dynamic_ondemand_fallback       = true
  }

  resources = {
    infra    = var.infra
    ports    = var.port
    cpus     = var.cpus
    memory   = var.memory
    use_spot = true
    labels   = { team = var.team }
  }

  workdir = var.workdir
  run     = var.run
  envs    = var.envs

  timeouts = { create = "5m", update = "5m", delete = "5m" }

  lifecycle {
    # A slow start is a warning by itself. Here it fails the run; nothing is
    # tainted, and the next apply passes as soon as a replica is ready.
    postcondition {
      condition     = !var.require_ready || self.status.ready >= 1
      error_message = "No replica of ${var.name} is ready: ${self.status.phase}."
    }
  }
}
