variable "name" {
  description = "Name of the service."
  type        = string
}

variable "team" {
  description = "Who answers for the service: it becomes a label of the machines."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.team))
    error_message = "The team is 2 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "workdir" {
  description = "Directory with the program."
  type        = string
}

variable "run" {
  description = "Shell script that is the server. It listens on $PORT."
  type        = string
}

variable "port" {
  description = "Port the server listens on."
  type        = number
  default     = 8080

  validation {
    condition     = var.port >= 1024 && var.port <= 65535
    error_message = "The port is between 1024 and 65535, as nobody should need root to serve."
  }
}

variable "health_path" {
  description = "Path that answers 200 when a replica can take traffic."
  type        = string
  default     = "/health"
}

variable "replicas" {
  description = "Least and greatest number of replicas."
  type = object({
    min = number
    max = optional(number)
  })
  default = { min = 2 }

  validation {
    condition     = var.replicas.min >= 1
    error_message = "At least one replica: what may sleep does not need this module."
  }
}

variable "target_qps_per_replica" {
  description = "Requests per second that one replica is meant to take; null for a fixed number of replicas."
  type        = number
  default     = null
}

variable "always_on_demand" {
  description = "How many of the replicas are never spot."
  type        = number
  default     = 0
}

variable "infra" {
  description = "Where replicas may run, as cloud[/region[/zone]]."
  type        = string
  default     = "local"
}

variable "cpus" {
  description = "Number of virtual processors of a replica, as in \"2+\"."
  type        = string
  default     = "2+"
}

variable "memory" {
  description = "Memory of a replica in GiB, as in \"4+\"."
  type        = string
  default     = null
}

variable "envs" {
  description = "Environment variables of the program."
  type        = map(string)
  default     = {}
}

variable "require_ready" {
  description = "Whether an apply fails that leaves no replica ready."
  type        = bool
  default     = true
}
