locals {
  resources = {
    ports    = 8081
    cpus     = "4+"
    use_spot = true
    any_of   = [{ infra = "aws/us-east-1" }, { infra = "aws/us-west-2" }]
  }
  replica_policy = {
    min_replicas                    = 3
    base_ondemand_fallback_replicas = 1
    dynamic_ondemand_fallback       = true
  }
}

data "serve_estimate" "http" {
  resources      = local.resources
  replica_policy = local.replica_policy
}

output "dollars_per_hour" {
  value = data.serve_estimate.http.hourly_cost
}

resource "serve_service" "http" {
  name           = "http-server"
  resources      = local.resources
  replica_policy = local.replica_policy
  run            = "python3 server.py"

  lifecycle {
    precondition {
      condition     = try(data.serve_estimate.http.hourly_cost.total < 1, true)
      error_message = "http-server would cost more than a dollar an hour."
    }
  }
}
