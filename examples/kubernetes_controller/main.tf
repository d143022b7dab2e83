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

variable "image" {
  description = "Image of the replicas. It needs sh, and what `run` starts."
  type        = string
  default     = "docker.io/library/python:3.13-slim"
}

variable "image_repository" {
  description = "Repository to bring the controller's image into, if the cluster is not to pull the published one."
  type        = string
  default     = null
}

variable "endpoint_type" {
  description = "LoadBalancer, NodePort or ClusterIP: who reaches the endpoint."
  type        = string
  default     = "LoadBalancer"
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
    cpus     = "0.5"
    memory   = "0.5"
    image_id = "docker:${var.image}"
    use_spot = true
  }

  run = "exec python3 -m http.server $PORT"

  controller = {
    infra            = "kubernetes"
    namespace        = "serve"
    image_repository = var.image_repository
    copies           = 2
    service          = { type = var.endpoint_type }
  }
}

output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.web.endpoint
}
