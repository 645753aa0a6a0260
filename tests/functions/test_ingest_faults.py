"""Abuse of ingest that its other tests do not cover: what is sent wrong, twice, endlessly or in disguise."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from shared.signatures import SCHEMES
from tests.functions.conftest import Connection, Endpoint, MakeEndpoint
from tests.functions.test_ingest import assert_refused, body_of, post, post_sent, stored

LIMIT = 1024 * 1024
CHUNK = 64 * 1024


@dataclass
class Upload:
    """A body that counts how much of it was asked for."""

    chunks: int
    taken: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.chunks):
            self.taken += 1
            yield b" " * CHUNK


async def test_a_declared_length_over_the_limit_is_refused_unread(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    upload = Upload(chunks=100)
    headers = {"Content-Type": "application/json", "Content-Length": str(100 * CHUNK)}
    answer = await ingest.post(make_endpoint("none").path, content=upload, headers=headers)
    assert_refused(answer, 413, "payload_too_large")
    assert upload.taken <= 1


@pytest.mark.parametrize(
    ("length", "status"),
    [("-1", 202), ("1e9", 202), ("٣", 202), ("0x10", 202), ("", 202), ("9" * 400, 413)],
)
async def test_a_length_that_is_no_number_is_not_believed(
    length: str, status: int, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    headers = [(b"content-length", length.encode()), (b"content-type", b"application/json")]
    answer = await ingest.post(make_endpoint("none").path, content=b'{"a":1}', headers=headers)
    assert answer.status_code == status


async def test_an_endless_upload_without_a_length_is_cut_at_the_limit(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    upload = Upload(chunks=10_000)
    headers = {"Content-Type": "application/json"}
    answer = await ingest.post(make_endpoint("none").path, content=upload, headers=headers)
    assert_refused(answer, 413, "payload_too_large")
    assert upload.taken <= LIMIT // CHUNK + 2


async def test_gzip_is_inflated_up_to_the_limit_and_no_further(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint()
    for size, status in ((LIMIT, 202), (LIMIT + 1, 413)):
        body = b'{"x": "' + b"a" * (size - 9) + b'"}'
        headers = endpoint.signed(body) | {"Content-Encoding": "gzip"}
        answer = await ingest.post(endpoint.path, content=gzip.compress(body), headers=headers)
        assert answer.status_code == status
    assert len(stored(database, endpoint)) == 1


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (b"not gzip", "gzip", 400),
        (gzip.compress(b"{}")[:-3], "gzip", 400),
        (b"", "gzip", 400),
        (gzip.compress(b"{}"), "br", 415),
        (gzip.compress(b"{}"), "gzip, gzip", 415),
    ],
)
async def test_a_broken_or_other_encoding_is_refused(
    content: bytes,
    encoding: str,
    status: int,
    ingest: httpx.AsyncClient,
    make_endpoint: MakeEndpoint,
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = await ingest.post(make_endpoint("none").path, content=content, headers=headers)
    assert answer.status_code == status, answer.text


async def test_an_upload_that_drips_is_408_at_the_deadline_of_the_whole(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield b" "
            await asyncio.sleep(0.05)

    answer = await ingest.post(make_endpoint("none").path, content=drip())
    assert_refused(answer, 408, "request_timeout")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e309", "0x1", "01"])
async def test_what_is_no_number_in_json_is_400(
    number: str, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await post(ingest, make_endpoint(), b'{"a": %b}' % number.encode())
    assert_refused(answer, 400, "invalid_json")


async def test_of_duplicate_keys_the_last_one_wins(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint, body = make_endpoint(), b'{"event":"first","a":1,"a":{"b":2,"b":3},"event":"last"}'
    assert (await post(ingest, endpoint, body)).status_code == 202
    (row,) = stored(database, endpoint)
    assert row["payload"] == {"event": "last", "a": {"b": 3}}
    assert (row["event_type"], row["body"]) == ("last", body)


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"mailgun", "none"}))
async def test_a_repeated_proof_is_refused_whichever_of_the_two_is_right(
    scheme: str, ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(scheme)
    sent = endpoint.sent(body_of())
    good = dict(sent.headers)
    for name in good.keys() - {"Content-Type"}:
        for pair in ((good[name], "x"), ("x", good[name]), (good[name], good[name])):
            pairs = [(n, v) for n, v in good.items() if n != name] + [(name, v) for v in pair]
            url = f"{endpoint.path}?{sent.query}" if sent.query else endpoint.path
            answer = await ingest.post(url, content=sent.body, headers=pairs)
            assert_refused(answer, 401, "invalid_signature")
    assert stored(database, endpoint) == []


async def test_after_a_flood_over_the_limit_a_copy_of_what_is_stored_costs_nothing(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(rate_limit_per_minute=1)
    body = body_of()
    assert (await post(ingest, endpoint, body)).status_code == 202
    answers = await asyncio.gather(*(post(ingest, endpoint, body_of()) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {429}
    assert (await post(ingest, endpoint, body)).json()["data"]["state"] == "duplicate"


# --- Over a socket -------------------------------------------------------------------------------


@dataclass
class Wire:
    """A connection to the real server, on which anything can be written."""

    url: str
    written: bytes = field(default=b"", init=False)

    async def ask(self, *pieces: bytes, wait_seconds: float = 20) -> tuple[int, bytes]:
        """Status and whole answer to these bytes; stops writing once there is an answer."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            for piece in pieces:
                if reader._buffer:  # type: ignore[attr-defined]
                    break
                writer.write(piece)
                await writer.drain()
                self.written += piece
            async with asyncio.timeout(wait_seconds):
                head = await reader.readuntil(b"\r\n\r\n")
            return int(head.split(b" ", 2)[1]), head
        finally:
            writer.close()


def request_head(endpoint: Endpoint, *lines: str) -> bytes:
    fixed = (f"POST {endpoint.path} HTTP/1.1", "Host: x", "Content-Type: application/json")
    return "\r\n".join((*fixed, *lines, "", "")).encode()


@pytest.fixture
def wire(functions_url: str) -> Wire:
    return Wire(functions_url)


async def test_on_the_wire_a_length_over_the_limit_is_answered_before_the_body_comes(
    wire: Wire, make_endpoint: MakeEndpoint
) -> None:
    status, _ = await wire.ask(request_head(make_endpoint("none"), "Content-Length: 99999999"))
    assert status == 413


async def test_on_the_wire_endless_chunks_are_cut(wire: Wire, make_endpoint: MakeEndpoint) -> None:
    head = request_head(make_endpoint("none"), "Transfer-Encoding: chunked")
    chunk = b"%x\r\n%b\r\n" % (CHUNK, b" " * CHUNK)
    status, _ = await wire.ask(head, *[chunk] * 40)
    assert status == 413


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 2", "Content-Length: 7"),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Content-Length: 2", "X Bad: 1"),
    ],
)
async def test_on_the_wire_a_request_of_two_lengths_or_bad_syntax_stores_nothing(
    lines: tuple[str, ...], wire: Wire, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("none")
    status, _ = await wire.ask(request_head(endpoint, *lines, "Connection: close") + b"{}")
    assert 400 <= status < 500
    assert stored(database, endpoint) == []


async def test_on_the_wire_huge_headers_are_431(wire: Wire, make_endpoint: MakeEndpoint) -> None:
    lines = [f"X-Long-{number}: {'a' * 1000}" for number in range(40)]
    head = request_head(make_endpoint("none"), *lines, "Content-Length: 2")
    status, _ = await wire.ask(head + b"{}")
    assert status == 431


async def test_on_the_wire_a_signed_webhook_is_taken(
    wire: Wire, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("github")
    body = b'{"action":"opened","issue":{"id":1}}'
    lines: list[Any] = [f"{name}: {value}" for name, value in endpoint.signed(body).items()]
    lines = [line for line in lines if not line.startswith("Content-Type")]
    head = request_head(endpoint, *lines, f"Content-Length: {len(body)}")
    status, _ = await wire.ask(head + body)
    assert status == 202
    assert stored(database, endpoint)[0]["body"] == body


async def test_the_query_does_not_choose_the_endpoint(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    ours, other = make_endpoint("github"), make_endpoint("none")
    sent = replace(other.sent(b"{}"), query=f"slug={other.slug}")
    assert_refused(await post_sent(ingest, ours, sent), 401, "invalid_signature")
