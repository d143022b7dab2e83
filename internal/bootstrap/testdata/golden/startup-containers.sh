#!/bin/sh
set -eu
umask 077
mkdir -p /var/lib/google/serve
chmod 0755 /var/lib/google/serve
cat >/var/lib/google/serve/machine.json <<'end-of-the-file'
{"cloud":"gcp","lease_seconds":3600,"port":9738,"program":"sha256:0af50af50af50af50af50af50af50af50af50af50af50af50af50af50af50af5"}
end-of-the-file
chmod 0644 /var/lib/google/serve/machine.json
cat >/var/lib/google/serve/controller.pem <<'end-of-the-file'
-----BEGIN CERTIFICATE-----
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
-----END CERTIFICATE-----
end-of-the-file
chmod 0644 /var/lib/google/serve/controller.pem
cat >/var/lib/google/serve/birth.pem <<'end-of-the-file'
-----BEGIN CERTIFICATE-----
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/Ab+/
-----END PRIVATE KEY-----
end-of-the-file
chmod 0600 /var/lib/google/serve/birth.pem
cat >/var/lib/google/serve/receive.py <<'end-of-the-file'
# Copyright (c) The terraform-provider-serve authors
# SPDX-License-Identifier: MPL-2.0
"""Receives the agent's program from the machine's controller, and ends.

Whoever starts this again then starts the program instead. It needs nothing but
Python 3.9, and listens to nobody who cannot show the controller's certificate.
"""

import hashlib
import hmac
import http.server
import json
import os
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
SILENCE = 30  # seconds without a byte after which a connection is given up


def path(name):
    return os.path.join(HERE, name)


with open(path("machine.json")) as file:
    CONFIG = json.load(file)
with open(path("controller.pem")) as file:
    CONTROLLER = ssl.PEM_cert_to_DER_cert(file.read())


def ask(url, headers, method="GET"):
    request = urllib.request.Request(url, headers=headers, method=method)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=2) as answer:
        return answer.read().decode().strip()


def ask_address():
    """Asks the cloud's metadata service for the machine's own address."""
    if CONFIG["cloud"] == "aws":
        base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
        base = base.rstrip("/") + "/latest/"
        token = ask(base + "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
        return ask(base + "meta-data/local-ipv4", {"X-aws-ec2-metadata-token": token})
    if CONFIG["cloud"] == "gcp":
        host = os.environ.get("GCE_METADATA_HOST") or "169.254.169.254"
        at = "/computeMetadata/v1/instance/network-interfaces/0/ip"
        return ask("http://" + host + at, {"Metadata-Flavor": "Google"})
    return ""


def address():
    """Gives the address to listen on; all of them if it cannot be had."""
    patience = time.monotonic() + 30
    while True:
        try:
            return ask_address()
        except OSError as error:
            if time.monotonic() > patience:
                print("listening on all addresses:", error, flush=True)
                return ""
            time.sleep(0.5)


class Refused(Exception):
    """What was sent is not the program."""


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SILENCE

    def setup(self):
        # Here, in a thread of its own, and not where connections are accepted: who
        # says nothing holds up nobody else.
        self.request.settimeout(SILENCE)
        self.request.do_handshake()
        shown = self.request.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(shown, CONTROLLER):
            raise ssl.SSLError("that is not the controller's certificate")
        self.server.renew()
        super().setup()

    def do_GET(self):
        if self.path == "/v1/state":
            self.answer(200, json.dumps({"phase": "waiting"}))
        else:
            self.answer(404, "there is no agent yet")

    def do_PUT(self):
        self.close_connection = True
        if self.path != "/v1/program":
            self.answer(404, "there is no agent yet")
            return
        try:
            self.receive()
        except (Refused, zlib.error) as error:
            self.answer(422, str(error))
            return
        except OSError as error:
            self.answer(500, str(error))
            return
        self.answer(204, "")
        self.server.received.set()

    def receive(self):
        """Writes the program, and gives it its name when it is whole."""
        hash = hashlib.sha256()
        unzip = zlib.decompressobj(31) if self.headers["Content-Encoding"] == "gzip" else None
        with tempfile.NamedTemporaryFile(dir=HERE, prefix=".agent-") as part:
            for data in self.content():
                data = unzip.decompress(data) if unzip else data
                hash.update(data)
                part.write(data)
            if "sha256:" + hash.hexdigest() != CONFIG["program"] or (unzip and not unzip.eof):
                raise Refused("this is another program than the machine was made for")
            os.fchmod(part.fileno(), 0o755)
            part.flush()
            os.fsync(part.fileno())
            os.link(part.name, part.name + "-whole")
            os.replace(part.name + "-whole", path("agent"))

    def content(self):
        left = int(self.headers["Content-Length"] or 0)
        while left > 0:
            data = self.rfile.read(min(left, 1 << 18))
            if not data:
                raise Refused("the program broke off")
            self.server.renew()
            left -= len(data)
            yield data

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    received = threading.Event()

    def server_bind(self):
        # Without looking for its own name, which may take a while on a new network.
        socketserver.TCPServer.server_bind(self)

    def renew(self):
        self.until = time.monotonic() + CONFIG["lease_seconds"]

    def handle_error(self, request, client_address):
        pass  # strangers and broken connections are no news

    def serve(self):
        """Serves until the program is there, or nobody has asked for too long."""
        self.renew()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        while not self.received.wait(max(0, min(self.until - time.monotonic(), 60))):
            if time.monotonic() >= self.until:
                print("no controller was heard of for the lease: the machine ends", flush=True)
                subprocess.run(["shutdown", "-h", "now"], check=False)
                self.renew()


def main():
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.minimum_version = ssl.TLSVersion.TLSv1_3
    secure.load_cert_chain(path("birth.pem"))
    secure.load_verify_locations(path("controller.pem"))
    secure.verify_mode = ssl.CERT_REQUIRED
    server = Server((address(), CONFIG["port"]), Receiver)
    server.socket = secure.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve()


main()
end-of-the-file
chmod 0644 /var/lib/google/serve/receive.py
cat >/var/lib/google/serve/serve-agent.service <<'end-of-the-file'
[Unit]
Description=Agent of a replica
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh -c 'if [ -x /var/lib/google/serve/agent ]; then exec /var/lib/google/serve/agent agent --dir /var/lib/google/serve; fi; exec python3 /var/lib/google/serve/receive.py'
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec=30
OOMPolicy=continue
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
end-of-the-file
chmod 0644 /var/lib/google/serve/serve-agent.service
systemctl enable --now /var/lib/google/serve/serve-agent.service
iptables -w -C INPUT -p tcp --dport 9738 -j ACCEPT 2>/dev/null || iptables -w -A INPUT -p tcp --dport 9738 -j ACCEPT
