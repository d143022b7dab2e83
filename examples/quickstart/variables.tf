variable "name" {
  description = "Name of the service."
  type        = string
  default     = "http-server"
}

variable "wait_for_ready" {
  description = "Whether apply waits until the replicas are ready."
  type        = bool
  default     = true
}
