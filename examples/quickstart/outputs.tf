output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.http.endpoint
}
