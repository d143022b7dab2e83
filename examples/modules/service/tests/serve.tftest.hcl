# The module for real, on the local cloud: processes, an endpoint, an update.

variables {
  name    = "greeter"
  team    = "hello"
  workdir = "../../http_server"
  run     = "python3 server.py"
  port    = 8081
}

run "serves" {
  assert {
    condition     = serve_service.this.status.phase == "READY"
    error_message = "The service is ${serve_service.this.status.phase}."
  }

  assert {
    condition     = serve_service.this.status.ready >= 2
    error_message = "Only ${serve_service.this.status.ready} replicas are ready."
  }

  assert {
    condition     = startswith(output.endpoint, "http://127.0.0.1:")
    error_message = "The endpoint is ${output.endpoint}."
  }

  assert {
    condition     = output.revision == 1
    error_message = "The first revision is number ${output.revision}."
  }
}

run "changes_in_place" {
  variables {
    envs = { GREETING = "hi" }
  }

  assert {
    condition     = output.revision == 2
    error_message = "The change made revision ${output.revision}."
  }

  assert {
    condition     = output.endpoint == run.serves.endpoint
    error_message = "The endpoint has moved from ${run.serves.endpoint} to ${output.endpoint}."
  }
}

run "the_same_again_changes_nothing" {
  variables {
    envs = { GREETING = "hi" }
  }

  assert {
    condition     = output.revision == run.changes_in_place.revision
    error_message = "The same configuration made revision ${output.revision}."
  }
}
