# A web server on spot instances in two regions, with an on-demand base. The
# controller runs where Terraform runs, and reaches Google Cloud as Google's own
# provider does (`gcloud auth application-default login`, GOOGLE_CREDENTIALS and the
# like, or `gcp` in the provider's configuration).

provider "serve" {
  gcp = {
    project        = var.project
    default_labels = { project = "serve-example" }
  }
}

resource "serve_service" "http" {
  name            = "http-server-gcp"
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
    any_of   = [for region in var.regions : { infra = "gcp/${region}" }]
  }
}
