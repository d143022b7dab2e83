variable "region" {
  description = "Region the replicas are in. It needs a default network with a subnet in each of the zones a, b and c."
  type        = string
  default     = "us-east-1"
}
