# HTTPS under a domain of your own, in a cluster, with a certificate of Let's Encrypt.
# The domain's DNS record must lead to the load balancer's address.

terraform {
  required_version = ">= 1.11"

  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

variable "domain" {
  description = "Name that clients know the service by."
  type        = string
  default     = "api.example.com"
}

resource "serve_service" "http" {
  name            = "http-server-https"
  readiness_probe = { path = "/health" }
  replicas        = 2

  resources = {
    infra = "kubernetes"
    ports = 8081
    cpus  = "1+"
  }

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"

  tls = {
    acme = {
      domains        = [var.domain]
      agree_to_terms = true # those of Let's Encrypt: https://letsencrypt.org/repository/
    }
  }

  controller = {
    infra   = "kubernetes"
    service = { type = "LoadBalancer" }
  }
}

output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.http.endpoint
}
