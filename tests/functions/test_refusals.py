"""Refused requests are kept for the owner, in the background, within bounds."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from functions.ingest.app import create_app
from functions.ingest.endpoints import Endpoint as IngestEndpoint
from functions.ingest.refusals import (
    MAX_BODY_START,
    MAX_ENDPOINTS,
    MAX_PER_ENDPOINT,
    Refusals,
)
from functions.ingest.settings import IngestSettings
from shared import errors
from shared.signatures import Headers, scheme_named
from tests.functions.conftest import Connection, Endpoint, MakeEndpoint
from tests.functions.test_ingest import assert_refused, body_of, post, post_sent, stored

PATIENCE_SECONDS = 30


def endpoint_of(name: str = "a", scheme: str = "bearer") -> IngestEndpoint:
    chosen = scheme_named(scheme)
    settings = chosen.settings({})
    credentials = chosen.credential_headers(settings)
    return IngestEndpoint(name, True, chosen, settings, ("secret",), credentials)


class Store:
    """Keeps what is written, once it may."""

    def __init__(self) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.was_written: asyncio.Queue[int] = asyncio.Queue()

    async def __call__(self, rows: str) -> None:
        await self.may_write.wait()
        self.calls.append(json.loads(rows))
        self.was_written.put_nowait(len(self.calls))


def note(
    refusals: Refusals,
    error: errors.SwitchhookError | None = None,
    endpoint: str = "a",
    headers: dict[str, str] | None = None,
    body: bytes | None = b"{}",
) -> None:
    fault = errors.InvalidSignature() if error is None else error
    refusals.note(endpoint_of(endpoint), fault, "POST", Headers((headers or {}).items()), body)


async def test_what_is_noted_is_written_together() -> None:
    store = Store()
    refusals = Refusals(store)
    for name in "abca":
        note(refusals, endpoint=name)
    await refusals.drain()
    assert [[row["endpoint_id"] for row in call] for call in store.calls] == [["a", "a", "b", "c"]]


async def test_it_is_written_by_itself_after_a_while() -> None:
    store = Store()
    refusals = Refusals(store, delay_seconds=0)
    for expected in (1, 2):
        note(refusals)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await store.was_written.get() == expected


async def test_noting_waits_for_nothing_while_a_write_hangs() -> None:
    store = Store()
    store.may_write.clear()
    refusals = Refusals(store, delay_seconds=0)
    note(refusals)
    await asyncio.sleep(0.01)
    for _ in range(1000):
        note(refusals)
    store.may_write.set()
    await refusals.drain()
    assert [len(call) for call in store.calls] == [1, MAX_PER_ENDPOINT]


async def test_of_a_flood_the_newest_stay_and_others_are_not_pushed_out() -> None:
    store = Store()
    refusals = Refusals(store)
    note(refusals, endpoint="quiet")
    for number in range(10_000):
        note(refusals, errors.InvalidRequest(f"number {number}"), endpoint="flooded")
    await refusals.drain()
    (rows,) = store.calls
    reasons = [row["reason"] for row in rows if row["endpoint_id"] == "flooded"]
    assert reasons == [f"number {number}" for number in range(9990, 10_000)]
    assert rows[0]["endpoint_id"] == "quiet"


async def test_endpoints_are_bounded_too() -> None:
    store = Store()
    refusals = Refusals(store)
    for number in range(MAX_ENDPOINTS + 10):
        note(refusals, endpoint=str(number))
    await refusals.drain()
    assert len(store.calls[0]) == MAX_ENDPOINTS


async def test_a_write_that_fails_is_given_up_and_the_next_one_is_tried() -> None:
    store = Store()

    async def failing(rows: str) -> None:
        await store(rows)
        raise errors.DatabaseUnavailable

    refusals = Refusals(failing, delay_seconds=0)
    for expected in (1, 2):
        note(refusals)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await store.was_written.get() == expected


async def test_our_own_faults_are_no_refusals() -> None:
    store = Store()
    refusals = Refusals(store)
    note(refusals, errors.DatabaseUnavailable())
    note(refusals, errors.InternalError())
    await refusals.drain()
    assert store.calls == []


async def rows_of(*noted: Callable[[Refusals], None]) -> list[dict[str, Any]]:
    store = Store()
    refusals = Refusals(store)
    for one in noted:
        one(refusals)
    await refusals.drain()
    (rows,) = store.calls
    return rows


async def test_the_reason_is_the_note_for_the_log_or_what_the_sender_was_told() -> None:
    noted = errors.InvalidSignature()
    noted.add_note("the token does not match")
    rows = await rows_of(
        lambda refusals: note(refusals, noted),
        lambda refusals: note(refusals, errors.InvalidJson("The body is empty")),
        lambda refusals: note(refusals, errors.InvalidRequest("x" * 600)),
    )
    assert [row["reason"] for row in rows[:2]] == ["the token does not match", "The body is empty"]
    assert len(rows[2]["reason"]) == 500


async def test_credentials_are_hidden_right_or_wrong() -> None:
    headers = {"Authorization": "Bearer canary", "Cookie": "canary", "X-Note": "fine"}
    (row,) = await rows_of(lambda refusals: note(refusals, headers=headers))
    assert row["headers"]["x-note"] == "fine"
    assert "canary" not in json.dumps(row)


async def test_the_body_is_kept_only_where_the_signature_was_genuine_and_only_its_beginning() -> (
    None
):
    long = b"x" * (MAX_BODY_START + 1)
    rows = await rows_of(
        lambda refusals: note(refusals, errors.InvalidSignature(), body=long),
        lambda refusals: note(refusals, errors.InvalidJson(), body=long),
        lambda refusals: note(refusals, errors.PayloadTooLarge(), body=None),
    )
    assert [row["body_bytes"] for row in rows] == [len(long), len(long), None]
    assert [row["body_start"] is None for row in rows] == [True, False, True]
    assert base64.b64decode(rows[1]["body_start"]) == long[:-1]


# --- The running function ------------------------------------------------------------------------


async def kept(database: Connection, endpoint: Endpoint, count: int = 1) -> list[dict[str, Any]]:
    """The endpoint's refusals, once there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        rows = database.execute(
            "select * from public.webhook_refusals where endpoint_id = %s order by id",
            [endpoint.id],
        ).fetchall()
        if len(rows) >= count:
            return rows
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.05)


Refuse = Callable[[httpx.AsyncClient, Endpoint], Awaitable[httpx.Response]]

FAULTS: dict[str, tuple[Refuse, str]] = {
    "invalid_signature": (
        lambda client, endpoint: post(client, endpoint, b"{}", **{"X-Hub-Signature-256": "x"}),
        "no X-Hub-Signature-256 matches",
    ),
    "invalid_json": (lambda client, endpoint: post(client, endpoint, b"{"), "not valid JSON"),
    "unsupported_media_type": (
        lambda client, endpoint: post(client, endpoint, b"{}", **{"Content-Type": "text/plain"}),
        "Content-Type",
    ),
    "payload_too_large": (
        lambda client, endpoint: post(client, endpoint, b" " * 1_048_577),
        "larger than 1048576 bytes",
    ),
    "headers_too_large": (
        lambda client, endpoint: post(client, endpoint, b"{}", **{"X-Long": "x" * 33_000}),
        "headers",
    ),
}


@pytest.mark.parametrize("code", FAULTS)
async def test_a_refusal_is_kept_with_its_reason(
    code: str, ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("github")
    refuse, words = FAULTS[code]
    answer = await refuse(ingest, endpoint)
    (row,) = await kept(database, endpoint)
    assert (row["status"], row["code"], row["method"]) == (answer.status_code, code, "POST")
    assert words in row["reason"]
    assert row["headers"]["user-agent"].startswith("python-httpx")
    assert (row["body_start"] is not None) == (code == "invalid_json")


async def test_a_request_that_is_accepted_is_no_refusal(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("github")
    assert (await post(ingest, endpoint, body_of())).status_code == 202
    await post(ingest, endpoint, b"{")
    assert [row["code"] for row in await kept(database, endpoint)] == ["invalid_json"]


async def test_signed_bytes_that_are_no_utf8_are_kept(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint, body = make_endpoint("stripe"), b'{"text":"\xff\xfe"}'
    assert_refused(await post(ingest, endpoint, body), 400, "invalid_json")
    (row,) = await kept(database, endpoint)
    assert base64.b64decode(row["body_start"]) == body
    assert stored(database, endpoint) == []


async def test_a_wrong_verify_token_is_told_to_the_owner_and_not_kept(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("meta")
    asked = {"hub.mode": "subscribe", "hub.verify_token": "canary", "hub.challenge": "1"}
    assert_refused(await ingest.get(endpoint.path, params=asked), 403, "forbidden")
    (row,) = await kept(database, endpoint)
    assert (row["method"], row["reason"]) == ("GET", "The verify token does not match")
    assert "canary" not in str(row)


async def test_a_flood_leaves_a_hundred_rows_and_every_answer_is_the_same(
    ingest_settings: IngestSettings, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("github")
    app = create_app(ingest_settings.model_copy(update={"endpoint_cache_seconds": 60}))
    transport = httpx.ASGITransport(app)
    bad = {"X-Hub-Signature-256": "sha256=00"}
    for _ in range(12):
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://ingest") as client,
        ):
            answers = await asyncio.gather(
                *(post(client, endpoint, b"{}", **bad) for _ in range(50))
            )
        assert {answer.status_code for answer in answers} == {401}
    assert len(await kept(database, endpoint, 100)) == 100


async def test_a_database_that_keeps_no_refusals_changes_no_answer(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("github")
    database.execute("alter table public.webhook_refusals rename to away")
    try:
        assert_refused(await post(ingest, endpoint, b"{"), 400, "invalid_json")
        sent = endpoint.sent(body_of())
        assert (await post_sent(ingest, endpoint, sent)).status_code == 202
        await asyncio.sleep(1.5)
        assert (await post(ingest, endpoint, body_of())).status_code == 202
    finally:
        database.execute("alter table public.away rename to webhook_refusals")
    assert_refused(await post(ingest, endpoint, b"["), 400, "invalid_json")
    (row,) = await kept(database, endpoint)
    assert "JSON" in row["reason"]
