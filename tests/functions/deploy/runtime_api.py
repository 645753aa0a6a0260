"""AWS Lambda's runtime API, as far as a function meets it: hands out events, takes answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import base64
import json
import queue
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

PREFIX = "/2018-06-01/runtime"


class RuntimeApi:
    """One function's events, one after the other."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.port = 0

    def invoke(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A request to the function's URL, as Lambda puts it; the function's answer."""
        self.events.put(function_url_event(method, path, body, headers or {}))
        kind, answer = self.answers.get(timeout=60)
        assert kind == "response", answer
        assert isinstance(answer, dict)
        return answer


def function_url_event(
    method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, Any]:
    """Payload version 2.0. Lambda gives text as it is, and everything else in base64."""
    path, _, query = path.partition("?")
    is_text = headers.get("content-type", "").startswith(("text/", "application/json"))
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", **headers},
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
            },
            "stage": "$default",
        },
        "body": body.decode() if is_text else base64.b64encode(body).decode(),
        "isBase64Encoded": not is_text,
    }


@contextmanager
def runtime_api() -> Iterator[RuntimeApi]:
    """The API on a free port of this machine."""
    api = RuntimeApi()

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            assert self.path == f"{PREFIX}/invocation/next"
            event = api.events.get()
            content = json.dumps(event).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
            self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:f")
            # The client in C++ reads this one without asking whether it is there.
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind = self.path.rpartition("/")[2]
            api.answers.put((kind, json.loads(content)))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
