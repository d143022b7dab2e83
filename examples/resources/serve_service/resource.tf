resource "serve_service" "http" {
  name            = "http-server"
  readiness_probe = { path = "/health" }

  replica_policy = {
    min_replicas           = 2
    max_replicas           = 3
    target_qps_per_replica = 1

    # One replica is always on-demand, and on-demand replicas stand in for spot
    # replicas that are not ready.
    base_ondemand_fallback_replicas = 1
    dynamic_ondemand_fallback       = true
  }

  resources = {
    infra    = "local"
    ports    = 8081
    cpus     = "2+"
    use_spot = true
  }

  workdir = "${path.module}/http_server"
  run     = "python3 server.py"
}

output "endpoint" {
  value = serve_service.http.endpoint
}
