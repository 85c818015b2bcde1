"""An object store on loopback, and a way to it that can refuse, wait and break off: moto's server behind a proxy."""

import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import boto3
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

BUCKET = "bucket"

Fault = Callable[[str, str], str | None]
"""What is to become of a request, by its method and its path: "refuse", "wait", "break off" (the answer, half way),
"lose" (the request, half way); None: what it asks for."""

HOP_BY_HOP = {"connection", "transfer-encoding", "date", "server", "content-length"}


class Server:
    """A bucket, and what was asked of it by way of `url`."""

    def __init__(self, url: str, inner: str) -> None:
        self.url, self.inner = url, inner
        self.requests: list[tuple[str, str]] = []
        """Method and path of each, without its query."""
        self.credentials: set[str] = set()
        """The kinds that came with them."""
        self.fault: Fault = lambda method, path: None
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        self.client = boto3.client("s3", endpoint_url=inner, region_name="us-east-1", **keys)
        self.client.create_bucket(Bucket=BUCKET)
        # To put thousands of photos: boto takes three times as long.
        self.store = S3Store(BUCKET, endpoint=inner, region="us-east-1", client_options={"allow_http": True}, **keys)

    @property
    def environment(self) -> dict[str, str]:
        """What programs need to get there."""
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        # Google's XML API is the same but for the credentials: moto takes any.
        return keys | {"AWS_ENDPOINT_URL": self.url, "GOOGLE_BASE_URL": self.url, "GOOGLE_BEARER_TOKEN": "token"}

    def upload(self, folder: Path, prefix: str) -> None:
        """Put all files of a folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def put(self, key: str, content: bytes) -> None:
        self.store.put(key, content, use_multipart=False)

    def files(self, prefix: str) -> dict[str, bytes]:
        """The content of all objects below, by their names there, but for reports."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix + "/"):
            for there in page.get("Contents", []):
                name = there["Key"].removeprefix(prefix + "/")
                if not name.startswith("report.parquet/"):
                    found[name] = self.client.get_object(Bucket=BUCKET, Key=there["Key"])["Body"].read()
        return found

    def asked(self, method: str, prefix: str) -> list[str]:
        """The names of the objects below that were asked for."""
        begin = f"/{BUCKET}/{prefix}/"
        return [path.removeprefix(begin) for said, path in self.requests if said == method and path.startswith(begin)]


@contextmanager
def store_server() -> Iterator[Server]:
    """A server with one bucket, while the block runs."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    proxy.daemon_threads = True
    server = Server(f"http://127.0.0.1:{proxy.server_port}", f"http://{host}:{port}")
    proxy.inner, proxy.known = (host, port), server  # type: ignore[attr-defined]
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        proxy.shutdown()
        proxy.server_close()
        moto.stop()


class Forward(BaseHTTPRequestHandler):
    """Passes requests on, or does not, as `Server.fault` says."""

    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        known: Server = self.server.known  # type: ignore[attr-defined]
        path = unquote(self.path.partition("?")[0])
        known.requests.append((self.command, path))
        known.credentials.add(self.headers.get("Authorization", "").partition(" ")[0])
        fault = known.fault(self.command, path)
        size = int(self.headers.get("Content-Length", 0))
        if fault == "lose":
            self.rfile.read(size // 2)
            self.connection.close()
            self.close_connection = True
            return
        body = self.rfile.read(size)
        if fault == "wait":
            time.sleep(0.5)
        if fault == "refuse":
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        inner = http.client.HTTPConnection(*self.server.inner)  # type: ignore[attr-defined]
        inner.request(self.command, self.path, body, dict(self.headers))
        answer = inner.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if fault == "break off" else content)
        if fault == "break off":
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = forward

    def log_message(self, *words: object) -> None:
        """Nothing: tests have the list of requests."""
