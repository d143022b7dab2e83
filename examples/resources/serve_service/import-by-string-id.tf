import {
  to = serve_service.http
  id = "http-server"
}
