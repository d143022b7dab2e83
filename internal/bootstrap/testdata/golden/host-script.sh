#!/bin/sh
set -eu
umask 077
mkdir -p /var/lib/google/serve
chmod 0755 /var/lib/google/serve
cat >/var/lib/google/serve/host.json <<'end-of-the-file'
{"cloud":"gcp","service":"web","region":"europe-north1","bucket":"serve-web-0af50af50af5","bucket_url":"https://storage.googleapis.com/storage/v1/b/serve-web-0af50af50af5/o"}
end-of-the-file
chmod 0644 /var/lib/google/serve/host.json
cat >/var/lib/google/serve/fetch.py <<'end-of-the-file'
# Copyright (c) The terraform-provider-serve authors
# SPDX-License-Identifier: MPL-2.0
"""Fetches the controller's program from the controller's bucket, and becomes it.

It needs Python 3.9 and nothing besides: requests carry the rights of the machine's
role, or of its service account. When the bucket cannot be reached, a program that was fetched
before is started all the same.
"""

import datetime
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.parse
import urllib.request
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "controller")
EC2 = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254").rstrip("/") + "/latest/"
GCE = "http://" + (os.environ.get("GCE_METADATA_HOST") or "169.254.169.254") + "/computeMetadata/v1/"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

with open(os.path.join(HERE, "host.json")) as file:
    HOST = json.load(file)


def metadata(url, headers, method="GET"):
    request = urllib.request.Request(url, headers=headers, method=method)
    with DIRECT.open(request, timeout=5) as answer:
        return answer.read().decode()


def role():
    """Gives the credentials of the machine's role."""
    token = metadata(EC2 + "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
    headers = {"X-aws-ec2-metadata-token": token}
    base = EC2 + "meta-data/iam/security-credentials/"
    return json.loads(metadata(base + metadata(base, headers).split()[0], headers))


def from_s3(key):
    """Asks for an object of the bucket, by signature version 4."""
    credentials = role()
    url = urllib.parse.urlsplit(HOST["bucket_url"] + "/" + urllib.parse.quote(key))
    at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": url.netloc,
        "x-amz-content-sha256": empty,
        "x-amz-date": at,
        "x-amz-security-token": credentials["Token"],
    }
    names = ";".join(sorted(headers))
    lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
    asked = "\n".join(["GET", url.path, "", lines, names, empty])
    scope = "/".join([at[:8], HOST["region"], "s3", "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = ("AWS4" + credentials["SecretAccessKey"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        credentials["AccessKeyId"],
        scope,
        names,
        signature,
    )
    return urllib.request.Request(url.geturl(), headers=headers)


def from_cloud_storage(key):
    """Asks for an object of the bucket, with a token of the machine's service account."""
    token = json.loads(metadata(GCE + "instance/service-accounts/default/token", {"Metadata-Flavor": "Google"}))
    url = HOST["bucket_url"] + "/" + urllib.parse.quote(key, safe="") + "?alt=media"
    return urllib.request.Request(url, headers={"Authorization": "Bearer " + token["access_token"]})


def get(key):
    """Opens an object of the bucket."""
    ask = from_cloud_storage if HOST["cloud"] == "gcp" else from_s3
    return urllib.request.urlopen(ask(key), timeout=30)


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as program:
        while chunk := program.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fetch():
    """Has the program be the one that is wanted."""
    with get("controller.json") as answer:
        wanted = json.load(answer)["program"].split(":")[1]
    if os.path.exists(PROGRAM) and digest_of(PROGRAM) == wanted:
        return
    new = PROGRAM + ".new"
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    with get("programs/" + wanted) as answer, open(new, "wb") as program:
        while chunk := answer.read(1 << 20):
            program.write(unpack.decompress(chunk))
        program.write(unpack.flush())
        program.flush()
        os.fsync(program.fileno())
    if digest_of(new) != wanted:
        raise ValueError("the program in the bucket is not %s" % wanted)
    os.chmod(new, 0o755)
    os.rename(new, PROGRAM)


def main():
    pause = 1
    while True:
        try:
            fetch()
            break
        except Exception as error:  # whatever it is, it may pass
            print("fetching the controller's program:", error, file=sys.stderr, flush=True)
        if os.path.exists(PROGRAM):
            break
        time.sleep(pause)
        pause = min(2 * pause, 15)
    os.execv(PROGRAM, [PROGRAM, HOST["cloud"] + "-controller", "--dir", HERE])


main()
end-of-the-file
chmod 0644 /var/lib/google/serve/fetch.py
cat >/var/lib/google/serve/serve-controller.service <<'end-of-the-file'
[Unit]
Description=Controller of a service
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 /var/lib/google/serve/fetch.py
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec=30
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
end-of-the-file
chmod 0644 /var/lib/google/serve/serve-controller.service
systemctl enable --now /var/lib/google/serve/serve-controller.service
iptables -w -C INPUT -p tcp --dport 80 -j ACCEPT 2>/dev/null || iptables -w -A INPUT -p tcp --dport 80 -j ACCEPT
iptables -w -C INPUT -p tcp --dport 9737 -j ACCEPT 2>/dev/null || iptables -w -A INPUT -p tcp --dport 9737 -j ACCEPT
