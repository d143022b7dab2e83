# The service of examples/gcp with its controller on Google Cloud, too, where it
# outlives the machine that Terraform runs on. All that Terraform needs is to reach
# Google Cloud as Google's own provider does (`gcloud auth application-default login`,
# GOOGLE_CREDENTIALS and the like, or `gcp` in the provider's configuration).

variable "project" {
  description = "Id of the project. Without it that is the one of the credentials, or of $GOOGLE_CLOUD_PROJECT."
  type        = string
  default     = null
}

variable "region" {
  description = "Region of the controller."
  type        = string
  default     = "us-central1"
}

provider "serve" {
  gcp = {
    project = var.project
    region  = var.region
  }
}

resource "serve_service" "http" {
  name            = "http-on-gcp"
  controller      = { infra = "gcp" }
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
    any_of   = [for region in distinct(["us-east1", var.region]) : { infra = "gcp/${region}" }]
  }

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"
}

output "endpoint" {
  description = "URL at which the service answers; it stays when the controller's machine is replaced."
  value       = serve_service.http.endpoint
}
