terraform {
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
  name            = "http-server"
  readiness_probe = local.service.readiness_probe
  replica_policy  = local.service.replica_policy
  resources       = local.service.resources
  workdir         = "${path.module}/${local.service.workdir}"
  run             = local.service.run
}
