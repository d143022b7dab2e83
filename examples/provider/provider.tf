terraform {
  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

provider "serve" {}
