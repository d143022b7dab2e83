# One service on AWS, Google Cloud and Kubernetes: spot replicas wherever they cost
# least, and on-demand ones that stand in while those are short. When a cloud is lost
# the others take over, and when it returns its offers are taken again.
#
# The controller runs where Terraform runs, and reaches each cloud as the cloud's own
# command line does (AWS_PROFILE, `gcloud auth application-default login`, KUBECONFIG).

variable "aws_region" {
  description = "Region of AWS. It needs a default network."
  type        = string
  default     = "us-east-1"
}

variable "gcp_regions" {
  description = "Regions of Google Cloud. The network called default needs a subnetwork in each of them."
  type        = list(string)
  default     = ["us-east1", "us-central1"]
}

provider "serve" {
  aws = {
    region       = var.aws_region
    default_tags = { project = "serve-example" }
  }
  gcp = {
    default_labels = { project = "serve-example" }
  }
}

resource "serve_service" "http" {
  name            = "http-everywhere"
  readiness_probe = { path = "/health" }
  replica_policy  = local.replica_policy
  resources       = local.resources

  workdir = "${path.module}/../http_server"
  run     = "python3 server.py"
}

# What the plan says before anything is made: the offers of all clouds, by price.
data "serve_estimate" "http" {
  replica_policy = local.replica_policy
  resources      = local.resources
}

locals {
  replica_policy = {
    min_replicas           = 3
    max_replicas           = 5
    target_qps_per_replica = 1

    dynamic_ondemand_fallback = true
  }

  resources = {
    ports    = 8081
    cpus     = "2+"
    memory   = "2+"
    use_spot = true
    any_of = concat(
      [{ infra = "aws/${var.aws_region}" }],
      [for region in var.gcp_regions : { infra = "gcp/${region}" }],
      [{ infra = "kubernetes", image_id = "docker:python:3.13-slim" }],
    )
  }
}

output "endpoint" {
  description = "URL at which the service answers, wherever its replicas are."
  value       = serve_service.http.endpoint
}

output "offers" {
  description = "What the clouds would sell, the cheapest first."
  value       = [for o in data.serve_estimate.http.offers : "${o.location} ${o.market} ${o.instance_type} ${o.price == null ? "?" : o.price}"]
}
