output "endpoint" {
  description = "URL at which the service answers."
  value       = serve_service.http.endpoint
}

output "hourly_cost" {
  description = "What the least number of replicas costs, in US dollars per hour."
  value       = data.serve_estimate.http.hourly_cost
}
