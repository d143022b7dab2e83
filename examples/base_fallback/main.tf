# One of the replicas is always on-demand, the others run on spot machines.

terraform {
  required_version = ">= 1.11"

  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

resource "serve_service" "http" {
  name            = "http-server-base"
  readiness_probe = { path = "/health" }

  replica_policy = {
    min_replicas           = 2
    max_replicas           = 3
    target_qps_per_replica = 1

    # Ensures that one of the replicas is run on on-demand machines.
    base_ondemand_fallback_replicas = 1
  }

  resources = {
    infra    = "local"
    ports    = 8081
    cpus     = "2+"
    use_spot = true
  }

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"
}

output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.http.endpoint
}
