# The service of examples/aws with its controller on AWS, too, where it outlives the
# machine that Terraform runs on. All that Terraform needs is to reach AWS as its
# command line does (AWS_PROFILE and the like, or `aws` in the provider's
# configuration).

variable "region" {
  description = "Region of the controller and the replicas. It needs a default network with a subnet in each of the zones a, b and c."
  type        = string
  default     = "us-east-1"
}

provider "serve" {
  aws = { region = var.region }
}

resource "serve_service" "http" {
  name            = "http-on-aws"
  controller      = { infra = "aws" }
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
    cpus     = "2+"
    memory   = "2+"
    use_spot = true
    any_of   = [for zone in ["a", "b", "c"] : { infra = "aws/${var.region}/${var.region}${zone}" }]
  }

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"
}

output "endpoint" {
  description = "URL at which the service answers; it stays when the controller's machine is replaced."
  value       = serve_service.http.endpoint
}
