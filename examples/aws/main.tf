# A web server on spot instances in three zones of one region, with an on-demand
# base. The controller runs where Terraform runs, and reaches AWS as its command
# line does (AWS_PROFILE and the like, or `aws` in the provider's configuration).

provider "serve" {
  aws = {
    region       = var.region
    default_tags = { project = "serve-example" }
  }
}

resource "serve_service" "http" {
  name            = "http-server-aws"
  readiness_probe = { path = "/health" }
  replica_policy  = local.replica_policy
  resources       = local.resources

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"
}

# What the plan says before anything is made.
data "serve_estimate" "http" {
  replica_policy = local.replica_policy
  resources      = local.resources
}

locals {
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
}
