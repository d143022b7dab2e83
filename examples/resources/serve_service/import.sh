# By the name of the service.
terraform import serve_service.http http-server
