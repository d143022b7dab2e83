data "serve_service" "http" {
  name = "http-server"
}

output "cost_per_hour" {
  value = data.serve_service.http.cost_per_hour
}
