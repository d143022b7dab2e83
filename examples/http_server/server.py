# Copyright (c) The terraform-provider-serve authors
# SPDX-License-Identifier: MPL-2.0
"""A server to serve: it says which replica it is, and that it is well."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = os.environ.get("HOST", "0.0.0.0")
PORT = int(os.environ.get("PORT", "8081"))
REPLICA = os.environ.get("SERVE_REPLICA_ID", "none")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept for the next request

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        elif self.path == "/":
            self.answer(200, {"message": "Hello!", "replica": REPLICA})
        else:
            self.answer(404, {"message": "There is / and /health."})

    def answer(self, status, body):
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    print(f"replica {REPLICA} listens on {HOST}:{PORT}", flush=True)
    Server((HOST, PORT), Handler).serve_forever()
