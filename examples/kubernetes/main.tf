# The spot replicas run on this machine's spot market, the base of on-demand
# replicas in a Kubernetes cluster: pods are counted as on-demand. The controller
# runs here, and finds the cluster as kubectl does (KUBECONFIG, current context).

terraform {
  required_version = ">= 1.11"

  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

variable "image" {
  description = "Image of the pods. It needs sh, cat, tar and gzip, and what `run` starts."
  type        = string
  default     = "docker.io/library/python:3.13-slim"
}

resource "serve_service" "http" {
  name            = "http-server-mixed"
  readiness_probe = { path = "/health" }

  replica_policy = {
    min_replicas           = 2
    max_replicas           = 3
    target_qps_per_replica = 1

    base_ondemand_fallback_replicas = 1
    dynamic_ondemand_fallback       = true
  }

  resources = {
    ports    = 8081
    use_spot = true
    any_of = [
      { infra = "local", cpus = "2+" },
      { infra = "kubernetes", cpus = "1", memory = "1", image_id = "docker:${var.image}" },
    ]
  }

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"
}

output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.http.endpoint
}
