# A service that lives in a cluster altogether: its replicas and its controller are
# pods, and what kubectl can reach is all that Terraform has to.
terraform {
  required_providers {
    serve = { source = "serve-infra/serve" }
  }
}

provider "serve" {
  kubernetes = { config_context = var.context }
}

variable "context" {
  description = "Context of kubectl, by which the cluster is reached."
  type        = string
  default     = null
}

resource "serve_service" "web" {
  name            = "web"
  readiness_probe = { path = "/" }

  replica_policy = {
    min_replicas                    = 2
    max_replicas                    = 6
    target_qps_per_replica          = 10
    base_ondemand_fallback_replicas = 1
    dynamic_ondemand_fallback       = true
  }

  resources = {
    ports    = 8080
    cpus     = "1"
    memory   = "1"
    use_spot = true
  }

  run = "exec python3 -m http.server $PORT"

  controller = {
    infra     = "kubernetes"
    namespace = "serve"
    copies    = 2
    service   = { type = "LoadBalancer" }
  }
}

output "endpoint" {
  value = serve_service.web.endpoint
}
