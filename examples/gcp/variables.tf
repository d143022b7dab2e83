variable "project" {
  description = "Id of the project. Without it that is the one of the credentials, or of $GOOGLE_CLOUD_PROJECT."
  type        = string
  default     = null
}

variable "regions" {
  description = "Regions the replicas are in. The network called default needs a subnetwork in each of them."
  type        = list(string)
  default     = ["us-east1", "us-central1"]
}
