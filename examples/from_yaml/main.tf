# A SkyServe YAML file, served as it is. Everything the file may say is handed
# on; what it leaves out is null, which is the same as leaving it out here.

terraform {
  required_version = ">= 1.11"

  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

locals {
  service = provider::serve::from_yaml(file("${path.module}/service.yaml"))
}

resource "serve_service" "http" {
  name                  = "http-server-yaml"
  readiness_probe       = local.service.readiness_probe
  replicas              = local.service.replicas
  replica_policy        = local.service.replica_policy
  load_balancing_policy = local.service.load_balancing_policy
  resources             = local.service.resources
  workdir               = "${path.module}/${local.service.workdir}"
  setup                 = local.service.setup
  run                   = local.service.run
  envs                  = local.service.envs
}

output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.http.endpoint
}
