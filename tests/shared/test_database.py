"""The one door to the database, beside what real PostgREST never answers: proxies' pages, lost connections, silence."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from processes import free_port
from shared import errors
from shared.database import Database, run
from shared.http_client import public_certificates

KEY = "sb_secret_canary"


@dataclass(frozen=True)
class Call:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Stands where PostgREST would, and answers every request the same way."""

    answer: Answer
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while call := await _read(reader):
                self.calls.append(call)
                await self.answer(writer)
                if writer.is_closing():
                    return
        except ConnectionError:
            return
        finally:
            self.open -= 1
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Call | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
    }
    return Call(head[0], headers, await reader.readexactly(int(headers.get("content-length", 0))))


def answer(status: int, body: bytes, *headers: str) -> Answer:
    lines = (f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers)

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        await writer.drain()

    return write


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def answer_half(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"')
    await writer.drain()
    writer.close()


async def answer_garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    await writer.drain()
    writer.close()


async def stay_silent(_: asyncio.StreamWriter) -> None:
    return


@asynccontextmanager
async def serving(
    answering: Answer, context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(answering)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    scheme = "http" if context is None else "https"
    server.url = f"{scheme}://localhost:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def database_at(answering: Answer) -> AsyncIterator[tuple[Server, Database]]:
    async with (
        serving(answering) as server,
        Database(server.url, KEY, timeout_seconds=5) as database,
    ):
        yield server, database


async def test_an_rpc_is_a_post_to_its_name_in_the_public_schema_with_the_key() -> None:
    async with database_at(answer(200, b'{"ids": [1]}')) as (server, database):
        assert await database.call("claim", p_limit=5, p_name="ü") == {"ids": [1]}
        await database.as_user("eyJ").call("claim")

    own, users = server.calls
    assert own.line == "POST /rest/v1/rpc/claim HTTP/1.1"
    assert json.loads(own.body) == {"p_limit": 5, "p_name": "ü"}
    assert own.headers["apikey"] == users.headers["apikey"] == KEY
    assert own.headers["content-type"] == own.headers["accept"] == "application/json"
    # A project may expose another schema ahead of this one.
    assert own.headers["content-profile"] == own.headers["accept-profile"] == "public"
    assert "authorization" not in own.headers
    assert users.headers["authorization"] == "Bearer eyJ"


async def test_the_health_check_asks_once_in_the_public_schema() -> None:
    async with database_at(answer(503, b"")) as (server, database):
        assert not await database.ping()

    assert [call.line.partition("?")[0] for call in server.calls] == ["GET /rest/v1/entity_types"]
    assert server.calls[0].headers["accept-profile"] == "public"


@pytest.mark.parametrize(
    ("status", "reachable"), [(200, True), (401, True), (403, True), (502, False)]
)
async def test_a_refusal_too_shows_that_the_database_is_there(status: int, reachable: bool) -> None:
    async with database_at(answer(status, b"[]")) as (_, database):
        assert await database.ping() is reachable


async def test_an_rpc_that_returns_nothing_gives_none() -> None:
    async with database_at(answer(204, b"")) as (_, database):
        assert await database.call("schedule") is None


async def test_compressed_answers_are_read() -> None:
    body = gzip.compress(b'{"state": "stored"}')
    async with database_at(answer(200, body, "Content-Encoding: gzip")) as (_, database):
        assert await database.call("ingest_events") == {"state": "stored"}


REFUSALS: list[tuple[int, Any, type[errors.SwitchhookError]]] = [
    (400, {"code": "WH011", "message": "There is one"}, errors.Conflict),
    (404, {"code": "PT404", "message": "No such", "details": "WH007"}, errors.NotFound),
    (403, {"code": "42501", "message": "permission denied for table x"}, errors.Forbidden),
    (401, {"code": "PGRST301", "message": "JWSError"}, errors.Unauthorized),
    (401, {"message": "Invalid API key", "hint": "…"}, errors.Unauthorized),  # the gateway's
    (500, {"code": "57014", "message": "canceling statement"}, errors.DatabaseUnavailable),
    (503, {"code": "PGRST001", "message": "no connection"}, errors.DatabaseUnavailable),
    (503, {"code": "upstream", "message": "restarting"}, errors.DatabaseUnavailable),
    (504, {"code": 504, "message": "timed out"}, errors.DatabaseUnavailable),
    (500, ["odd"], errors.DatabaseUnavailable),
    (502, "<html>Bad gateway</html>", errors.DatabaseUnavailable),
    (520, "", errors.DatabaseUnavailable),
    (500, {"code": "XX000", "message": "internal"}, errors.InternalError),
    (400, {"code": "PGRST202", "message": "no function"}, errors.InternalError),
    (302, "", errors.InternalError),
]


@pytest.mark.parametrize(("status", "told", "expected"), REFUSALS)
async def test_a_refusal_is_an_error_of_ours(
    status: int, told: Any, expected: type[errors.SwitchhookError]
) -> None:
    body = (told if isinstance(told, str) else json.dumps(told)).encode()
    async with database_at(answer(status, body)) as (_, database):
        with pytest.raises(expected) as caught:
            await database.call("claim")

    assert type(caught.value) is expected
    is_own = isinstance(told, dict) and str(told.get("code"))[:2] in {"WH", "PT"}
    assert caught.value.message == (told["message"] if is_own else expected.default_message)


@pytest.mark.parametrize(
    "fault", [hang_up, answer_half, answer_garbage, answer(200, b"<html>Soon</html>")]
)
async def test_what_is_no_answer_of_the_databases_means_that_it_is_away(fault: Answer) -> None:
    async with database_at(fault) as (server, database):
        with pytest.raises(errors.DatabaseUnavailable) as caught:
            await database.call("ingest_events", p_events="[]")

    assert caught.value.retry_after == 5
    # It may have been committed: whether to send again is the caller's to decide.
    assert len(server.calls) == 1


async def test_a_database_that_nobody_serves_is_away() -> None:
    async with Database(f"http://127.0.0.1:{free_port()}", KEY) as database:
        with pytest.raises(errors.DatabaseUnavailable):
            await database.call("claim")
        assert not await database.ping()


async def test_silence_ends_after_the_timeout_for_users_too() -> None:
    async with (
        serving(stay_silent) as server,
        Database(server.url, KEY, timeout_seconds=0.2) as own,
    ):
        for database in (own, own.as_user("eyJ")):
            with pytest.raises(errors.DatabaseUnavailable):
                await database.call("claim")


async def test_a_redirect_is_not_followed() -> None:
    async with serving(answer(200, b"{}")) as elsewhere:
        moved = answer(307, b"", f"Location: {elsewhere.url}/rest/v1/rpc/claim")
        async with database_at(moved) as (_, database):
            with pytest.raises(errors.InternalError):
                await database.call("claim")

    assert elsewhere.calls == []


async def test_cookies_and_proxies_of_the_environment_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with database_at(answer(200, b"{}", "Set-Cookie: __cf_bm=1; Path=/")) as (
        server,
        database,
    ):
        await database.call("claim")
        await database.call("claim")

    assert ["cookie" in call.headers for call in server.calls] == [False, False]


async def test_users_share_the_connections_and_only_their_owner_closes_them() -> None:
    async with serving(answer(200, b"[]")) as server:
        async with Database(server.url, KEY) as database:
            async with database.as_user("eyJ") as user:
                await user.call("list")
                await run(user.table("webhooks").select("id"))
            await database.call("claim")
            await run(database.table("webhooks").select("id"))
            assert (server.connections, server.open) == (2, 2)  # one for RPCs, one for tables
        for _ in range(100):
            if server.open == 0:
                break
            await asyncio.sleep(0.01)
        assert server.open == 0


async def test_a_database_that_was_never_called_has_nothing_to_close() -> None:
    async with Database("http://127.0.0.1:1", KEY):
        pass


async def test_a_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    async def answer_and_close(writer: asyncio.StreamWriter) -> None:
        await answer(200, b"1")(writer)  # as if it stayed open
        writer.close()

    async with database_at(answer_and_close) as (server, database):
        assert await database.call("claim") == 1
        await asyncio.sleep(0.1)
        assert await database.call("claim") == 1

    assert server.connections == 2


async def test_calls_at_once_have_a_connection_each_which_is_kept() -> None:
    async def answer_later(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await answer(200, b"1")(writer)

    async with database_at(answer_later) as (server, database):
        for _ in range(2):
            assert await asyncio.gather(*(database.call("claim") for _ in range(30))) == [1] * 30

    assert server.connections == 30


async def test_the_databases_certificate_is_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    async with serving(answer(200, b"1"), context) as server:
        url = server.url.replace("https:", "HTTPS:")  # as somebody may write it
        async with Database(url, KEY) as database:
            with pytest.raises(errors.DatabaseUnavailable):
                await database.call("claim")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        async with Database(url, KEY) as database:
            assert await database.call("claim") == 1

    assert len(server.calls) == 1


def test_receivers_certificates_are_checked_by_public_authorities_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    public = len(public_certificates().get_ca_certs())
    mine = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(mine))
    monkeypatch.setenv("SSL_CERT_FILE", str(mine))

    assert len(public_certificates().get_ca_certs()) == public > 50
    assert len(public_certificates(trust_environment=True).get_ca_certs()) == 1
    assert public_certificates().verify_mode is ssl.CERT_REQUIRED
    assert public_certificates().check_hostname


async def test_no_key_or_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for fault in (hang_up, answer(500, b"{}"), answer(400, b'{"code": "XX000"}')):
        async with database_at(fault) as (_, database):
            with pytest.raises(errors.SwitchhookError):
                await database.as_user("eyJ-canary").call("claim", p_secret="canary-argument")

    logged = [json.dumps(vars(record), default=repr) for record in caplog.records]
    assert [line for line in logged if "database not reachable" in line]
    assert [line for line in logged if "XX000" in line]
    assert not [line for line in logged if "canary" in line]
