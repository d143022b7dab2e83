output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.this.endpoint
}

output "revision" {
  description = "Number of the newest accepted spec."
  value       = serve_service.this.revision
}

# The status moves by itself, and an output of it would show as a change in
# every plan; those who want to see it use the data source.
