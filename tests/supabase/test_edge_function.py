"""The edge function under Deno, between a sender and the real ingest."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import os
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import deno
import httpx
import pytest
from typing_extensions import override

from layout import ROOT
from processes import free_port
from shared.errors import ServiceUnavailable, error_classes
from tests.running_stack import User
from tests.serving import serving

INDEX = ROOT / "supabase" / "functions" / "webhook-ingest" / "index.ts"
PREFIX = "/webhook-ingest"
"""Supabase's edge runtime takes `/functions/v1` off the path."""


@contextmanager
def edge_function(ingest_url: str, folder: Path) -> Iterator[httpx.Client]:
    """The function in a process of its own, and a client that calls it."""
    port = free_port()
    process = subprocess.Popen(
        [deno.find_deno_bin(), "run", "--no-prompt", "--allow-net", "--allow-env", str(INDEX)],
        env={
            "PATH": os.defpath,
            "HOME": str(folder),
            "DENO_DIR": str(folder / "deno"),
            "DENO_NO_UPDATE_CHECK": "1",
            "DENO_SERVE_ADDRESS": f"tcp:127.0.0.1:{port}",
            "INGEST_URL": ingest_url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        try:
            _wait_until_it_listens(process, client)
            yield client
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _wait_until_it_listens(process: subprocess.Popen[str], client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, process.communicate()[0]
        try:
            client.get("/")
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="module")
def edge(functions_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with edge_function(functions_url, tmp_path_factory.mktemp("edge")) as client:
        yield client


@pytest.fixture(scope="module")
def endpoint(functions_url: str, new_user: Callable[[], User]) -> dict[str, Any]:
    """One whose senders sign the body's bytes."""
    answer = httpx.post(
        f"{functions_url}/api/endpoints",
        headers={"Authorization": f"Bearer {new_user().token}"},
        json={"name": "Shop", "scheme": "webhook_signature"},
        timeout=30,
    )
    created: dict[str, Any] = answer.json()["data"]
    return created


def signed(endpoint: dict[str, Any], body: bytes) -> dict[str, str]:
    signature = hmac.new(endpoint["secret"].encode(), body, hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-webhook-signature": f"sha256={signature}"}


def body_of(size: int, event: str) -> bytes:
    """JSON of so many bytes, with spaces and characters that another printing would change."""
    start = json.dumps({"event_type": event, "text": "é ", "data": {}})[:-1] + ',  "fill" : "'
    return start.encode() + b"x" * (size - len(start.encode()) - 2) + b'"}'


def test_a_signature_still_holds_after_the_hop(
    edge: httpx.Client, endpoint: dict[str, Any]
) -> None:
    body = body_of(200, "order.created")

    answer = edge.post(f"{PREFIX}/{endpoint['slug']}", content=body, headers=signed(endpoint, body))

    assert answer.status_code == 202, answer.text
    assert answer.json()["data"]["state"] == "accepted"


def test_a_body_of_one_mebibyte_is_passed_on_whole(
    edge: httpx.Client, endpoint: dict[str, Any]
) -> None:
    body = body_of(1024 * 1024, "order.large")

    answer = edge.post(f"{PREFIX}/{endpoint['slug']}", content=body, headers=signed(endpoint, body))

    assert answer.status_code == 202, answer.text


def test_a_packed_body_stays_packed(edge: httpx.Client, endpoint: dict[str, Any]) -> None:
    body = body_of(5000, "order.packed")

    answer = edge.post(
        f"{PREFIX}/{endpoint['slug']}",
        content=gzip.compress(body),
        headers=signed(endpoint, body) | {"content-encoding": "gzip"},
    )

    assert answer.status_code == 202, answer.text


def test_refusals_come_back_as_ingest_gave_them(
    edge: httpx.Client, endpoint: dict[str, Any], functions_url: str
) -> None:
    body = body_of(200, "order.refused")
    too_large = body_of(1024 * 1024 + 1, "order.refused")
    calls: list[tuple[str, str, bytes, dict[str, str]]] = [
        ("POST", endpoint["slug"], body, signed(endpoint, b"another body")),
        ("POST", "nowhere", body, signed(endpoint, body)),
        ("POST", endpoint["slug"], b"{", signed(endpoint, b"{")),
        ("POST", endpoint["slug"], too_large, signed(endpoint, too_large)),
        ("POST", endpoint["slug"], body, signed(endpoint, body) | {"content-type": "image/png"}),
        ("GET", endpoint["slug"], b"", {}),
    ]
    statuses = []
    for method, slug, content, headers in calls:
        asked = headers | {"x-request-id": "the-same"}
        near = edge.request(method, f"{PREFIX}/{slug}", content=content, headers=asked)
        url = f"{functions_url}/functions/v1/webhook-ingest/{slug}"
        direct = httpx.request(method, url, content=content, headers=asked, timeout=30)
        assert (near.status_code, near.json()) == (direct.status_code, direct.json())
        ours = {"cache-control", "content-type", "x-content-type-options", "x-request-id", "allow"}
        assert {n: near.headers.get(n) for n in ours} == {n: direct.headers.get(n) for n in ours}
        statuses.append(near.status_code)
    assert statuses == [401, 404, 400, 413, 415, 405]


STATUSES = [
    200,
    201,
    202,
    204,
    307,
    *sorted({error.status for error in error_classes()}),
    422,
    502,
    504,
]
"""Those that ingest answers with, others of every kind, and what may stand between."""

HEADERS = {
    "content-type": "text/plain; charset=utf-8",
    "retry-after": "17",
    "allow": "POST",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": "the-same",
    "location": "/elsewhere",
    "www-authenticate": "Bearer",
    "x-of-another-time": "a, b",
}


@contextmanager
def plain_ingest() -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """Answers each path's number as a status, with all headers; its URL, and what it was sent."""
    sent: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            chunked = "chunked" in self.headers.get("transfer-encoding", "")
            body = self._chunks() if chunked else self.rfile.read(self._length())
            given = {name.lower(): value for name, value in self.headers.items()}
            sent.append((self.path, given, body))
            status = int(urlsplit(self.path).path.rpartition("/")[2])
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            for cookie in ("a=1", "b=2"):
                self.send_header("set-cookie", cookie)
            content = b"" if status == 204 else b"told"
            if content:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _length(self) -> int:
            return int(self.headers.get("content-length", 0))

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

    with serving(Handler) as url:
        yield url, sent


def test_every_status_and_header_is_passed_on_both_ways(tmp_path: Path) -> None:
    given = {
        "content-type": "application/x-www-form-urlencoded",
        "user-agent": "Vendor/1.0",
        "authorization": "Basic dTpw",
        "x-hub-signature-256": "sha256=00",
        "webhook-signature": "v1,a v1,b",
        "stripe-signature": "t=1,v1=a,v1=b",
        "content-encoding": "gzip",
        "x-forwarded-for": "192.0.2.1",
        "accept": "*/*",
    }
    with plain_ingest() as (url, sent), edge_function(url, tmp_path) as edge:
        answers = {
            status: edge.post(f"{PREFIX}/{status}?a=%2F&b=+", content=b"\x00\xff", headers=given)
            for status in STATUSES
        }

    assert [answer.status_code for answer in answers.values()] == STATUSES
    for status, answer in answers.items():
        assert HEADERS.items() <= dict(answer.headers).items(), status
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert answer.content == (b"" if status == 204 else b"told")
    for status, (path, headers, body) in zip(STATUSES, sent, strict=True):
        assert path == f"/functions/v1/webhook-ingest/{status}?a=%2F&b=+"
        assert given.items() <= headers.items()
        assert body == b"\x00\xff"


def test_where_ingest_is_away_the_sender_is_told_to_come_again(tmp_path: Path) -> None:
    with edge_function(f"http://127.0.0.1:{free_port()}", tmp_path) as edge:
        answer = edge.post(f"{PREFIX}/shop", content=b"{}")

    assert answer.status_code == ServiceUnavailable.status
    assert answer.json()["code"] == ServiceUnavailable.code
    assert answer.json()["error"] == ServiceUnavailable.default_message
    assert answer.headers["retry-after"] == "5"


def test_sources_need_no_jwt() -> None:
    config = tomllib.loads((ROOT / "supabase" / "config.toml").read_text())

    assert config["functions"] == {INDEX.parent.name: {"verify_jwt": False}}


def test_deno_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "DENO_DIR": str(tmp_path / "deno")}
    for command in ("check", "lint"):
        answer = subprocess.run(
            [deno.find_deno_bin(), command, str(INDEX)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
