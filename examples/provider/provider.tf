terraform {
  required_providers {
    serve = {
      source = "serve-infra/serve"
    }
  }
}

# What there is already to reach clouds by is used: AWS_PROFILE, KUBECONFIG and the like.
provider "serve" {
  aws = {
    profile      = "serving"
    regions      = ["us-east-1", "us-west-2"]
    default_tags = { team = "search" }
  }
}
