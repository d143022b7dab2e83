terraform {
  required_version = ">= 1.11"

  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

provider "serve" {}

resource "serve_service" "http" {
  name = var.name

  readiness_probe = {
    path                            = "/health"
    endpoint_probe_interval_seconds = 1
  }

  replica_policy = {
    min_replicas           = 2
    max_replicas           = 3
    target_qps_per_replica = 1

    # On-demand replicas stand in for spot replicas that are not ready.
    dynamic_ondemand_fallback = true
  }

  resources = {
    infra    = "local"
    ports    = 8081
    cpus     = "2+"
    use_spot = true
  }

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"

  wait_for_ready = var.wait_for_ready
}
