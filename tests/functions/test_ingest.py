"""Ingest as a sender sees it, on a real database."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from functions.ingest.app import create_app
from functions.ingest.receive import PATHS
from functions.ingest.settings import IngestSettings
from shared.signatures import SCHEMES
from tests.functions.conftest import Connection, Endpoint, MakeEndpoint
from tests.shared.signatures.factories import Sent


def body_of(**fields: Any) -> bytes:
    """A body of its own, in the shape of the seeds."""
    event = {"event_type": "order.completed", "external_id": uuid.uuid4().hex, "data": {"n": 1}}
    return json.dumps(event | fields).encode()


async def post(
    client: httpx.AsyncClient, endpoint: Endpoint, body: bytes, **headers: str
) -> httpx.Response:
    return await post_sent(client, endpoint, endpoint.sent(body), **headers)


async def post_sent(
    client: httpx.AsyncClient, endpoint: Endpoint, sent: Sent, **headers: str
) -> httpx.Response:
    url = f"{endpoint.path}?{sent.query}" if sent.query else endpoint.path
    return await client.post(url, content=sent.body, headers=dict(sent.headers) | headers)


def stored(database: Connection, endpoint: Endpoint) -> list[dict[str, Any]]:
    return database.execute(
        "select e.*, b.body from public.webhook_events e"
        " join private.webhook_bodies b on b.webhook_event_id = e.id"
        " where e.endpoint_id = %s order by e.id",
        [endpoint.id],
    ).fetchall()


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    answer = response.json()
    assert answer["status"] == "error"
    assert answer["code"] == code
    assert answer["requestId"] == response.headers["x-request-id"]


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
async def test_a_signed_webhook_is_answered_202_and_is_in_the_database(
    scheme: str, ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(scheme)
    sent = endpoint.sent(body_of())
    response = await post_sent(ingest, endpoint, sent)
    assert response.status_code == 202, response.text
    data = response.json()["data"]
    (row,) = stored(database, endpoint)
    assert data == {"id": str(row["id"]), "state": "accepted"}
    assert (row["status"], row["stage"], row["scheme"]) == ("pending", "classify", scheme)
    assert row["payload"] == json.loads(sent.body)
    assert row["body"] == sent.body


async def test_a_second_delivery_is_told_the_id_of_the_first(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    endpoint, body = make_endpoint(), body_of()
    first = (await post(ingest, endpoint, body)).json()["data"]
    second = await post(ingest, endpoint, body)
    assert second.status_code == 202
    assert second.json()["data"] == {"id": first["id"], "state": "duplicate"}


async def test_the_senders_own_delivery_id_decides_what_a_duplicate_is(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("github")
    states = []
    for delivery in ("a", "b", "a"):
        headers = {"X-GitHub-Delivery": delivery, "X-GitHub-Event": "push"}
        response = await post(ingest, endpoint, b'{"same": "body"}', **headers)
        states.append(response.json()["data"]["state"])
    assert states == ["accepted", "accepted", "duplicate"]
    assert len(stored(database, endpoint)) == 2


async def test_fifty_parallel_copies_become_one_event(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint, body = make_endpoint(), body_of()
    responses = await asyncio.gather(*(post(ingest, endpoint, body) for _ in range(50)))
    assert {response.status_code for response in responses} == {202}
    data = [response.json()["data"] for response in responses]
    (row,) = stored(database, endpoint)
    assert {item["id"] for item in data} == {str(row["id"])}
    assert sorted(item["state"] for item in data) == ["accepted"] + ["duplicate"] * 49


async def test_copies_that_arrive_at_two_processes_become_one_event(
    ingest_settings: IngestSettings, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint()
    bodies = [body_of() for _ in range(20)]
    apps = [create_app(ingest_settings) for _ in range(2)]

    async def send(app: Any, order: int) -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            return await asyncio.gather(*(post(client, endpoint, body) for body in bodies[::order]))

    async with apps[0].router.lifespan_context(apps[0]), apps[1].router.lifespan_context(apps[1]):
        first, second = await asyncio.gather(send(apps[0], 1), send(apps[1], -1))
    assert {response.status_code for response in first + second} == {202}
    assert len(stored(database, endpoint)) == 20


async def test_the_rate_limit_is_exact_under_concurrency(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(rate_limit_per_minute=30)
    responses = await asyncio.gather(*(post(ingest, endpoint, body_of()) for _ in range(100)))
    refused = [response for response in responses if response.status_code == 429]
    assert len(refused) == 70
    assert len(stored(database, endpoint)) == 30
    assert_refused(refused[0], 429, "rate_limited")
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60


async def test_one_bad_row_fails_alone(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint()
    # Passes ingest's own checks; the table's index cannot hold it.
    database.execute(
        "alter table public.webhook_events add constraint no_poison"
        " check (event_type <> 'poison') not valid"
    )
    try:
        bodies = [body_of(), body_of(event_type="poison"), body_of()]
        responses = await asyncio.gather(*(post(ingest, endpoint, body) for body in bodies))
    finally:
        database.execute("alter table public.webhook_events drop constraint no_poison")
    assert [response.status_code for response in responses] == [202, 400, 202]
    assert_refused(responses[1], 400, "invalid_request")
    assert len(stored(database, endpoint)) == 2


@pytest.mark.parametrize("path", [path for path in PATHS if "{slug}" in path])
async def test_every_address_of_an_endpoint_works(
    path: str, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    endpoint, body = make_endpoint(), body_of()
    response = await ingest.post(
        path.replace("{slug}", endpoint.slug), content=body, headers=endpoint.signed(body)
    )
    assert response.status_code == 202


async def test_the_receive_address_is_the_endpoint_of_that_name(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(slug="receive")
    body = b'{"event": "ticket.create", "data": {"subject": "Help"}}'
    try:
        response = await ingest.post(
            "/api/webhooks/receive", content=body, headers=endpoint.signed(body)
        )
        assert response.status_code == 202
        assert stored(database, endpoint)[0]["event_type"] == "ticket.create"
    finally:
        database.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])


async def test_an_unknown_endpoint_is_404(ingest: httpx.AsyncClient) -> None:
    for slug in ("nobody", "Not-A-Slug", "x" * 64, "%00"):
        response = await ingest.post(f"/functions/v1/ingest/{slug}", content=b"{}")
        assert_refused(response, 404, "unknown_endpoint")


async def test_an_inactive_endpoint_is_403(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    assert_refused(
        await post(ingest, make_endpoint(is_active=False), body_of()), 403, "endpoint_inactive"
    )


async def test_an_endpoint_switched_off_a_moment_ago_stores_nothing_although_it_is_cached(
    ingest_settings: IngestSettings, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint()
    app = create_app(ingest_settings.model_copy(update={"endpoint_cache_seconds": 60}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ingest") as client,
    ):
        assert (await post(client, endpoint, body_of())).status_code == 202
        database.execute(
            "update public.webhook_endpoints set is_active = false where id = %s", [endpoint.id]
        )
        assert_refused(await post(client, endpoint, body_of()), 403, "endpoint_inactive")
        database.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])
        assert_refused(await post(client, endpoint, body_of()), 404, "unknown_endpoint")


async def test_a_body_over_the_limit_is_413_with_and_without_a_length(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("none")
    big = b'{"x": "' + b"a" * 1024 * 1024 + b'"}'
    assert_refused(await post(ingest, endpoint, big), 413, "payload_too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    headers = {"Content-Type": "application/json"}
    response = await ingest.post(endpoint.path, content=chunks(), headers=headers)
    assert_refused(response, 413, "payload_too_large")


async def test_a_body_at_the_limit_is_taken(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    body = b'{"x": "' + b"a" * (1024 * 1024 - 9) + b'"}'
    assert (await post(ingest, make_endpoint(), body)).status_code == 202


async def test_a_gzip_body_is_verified_and_stored_inflated(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint, body = make_endpoint(), body_of()
    headers = endpoint.signed(body) | {"Content-Encoding": "gzip"}
    response = await ingest.post(endpoint.path, content=gzip.compress(body), headers=headers)
    assert response.status_code == 202
    assert stored(database, endpoint)[0]["body"] == body


async def test_a_gzip_bomb_is_413(ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    response = await post(ingest, make_endpoint("none"), bomb, **{"Content-Encoding": "gzip"})
    assert_refused(response, 413, "payload_too_large")


async def test_a_slow_upload_is_408_at_the_deadline(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(3)
        yield b"}"

    response = await ingest.post(make_endpoint("none").path, content=slowly())
    assert_refused(response, 408, "request_timeout")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"{", "not valid JSON"),
        (b"[1]", "JSON object"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
        (b'{"a": 1e200000}', "exponent"),
        (b'{"a": ' + b"9" * 5000 + b"}", "characters"),
        (b'{"a": "\xff"}', "UTF-8"),
    ],
)
async def test_a_bad_body_is_400_and_says_why(
    body: bytes, words: str, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    response = await post(ingest, make_endpoint(), body)
    assert_refused(response, 400, "invalid_json")
    assert words in response.json()["error"]


async def test_what_jsonb_cannot_hold_is_made_storable_and_the_body_kept(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint()
    body = rb'{"event": "x", "nul": "a\u0000b", "lone": "\ud800"}'
    assert (await post(ingest, endpoint, body)).status_code == 202
    (row,) = stored(database, endpoint)
    assert row["payload"] == {"event": "x", "nul": "a\ufffdb", "lone": "\ufffd"}
    assert row["body"] == body


@pytest.mark.parametrize("media_type", ["text/html", "application/x-www-form-urlencoded", "json"])
async def test_another_media_type_is_415(
    media_type: str, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    response = await post(ingest, make_endpoint(), body_of(), **{"Content-Type": media_type})
    assert_refused(response, 415, "unsupported_media_type")


async def test_other_methods_are_405_and_other_paths_404(ingest: httpx.AsyncClient) -> None:
    response = await ingest.get("/functions/v1/ingest/x")
    assert_refused(response, 405, "method_not_allowed")
    assert "POST" in response.headers["allow"]
    assert_refused(await ingest.post("/functions/v1/else/where/x"), 404, "not_found")


async def test_huge_headers_are_431(ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint) -> None:
    response = await post(ingest, make_endpoint(), body_of(), **{"X-Long": "a" * 40_000})
    assert_refused(response, 431, "headers_too_large")


async def test_no_credential_is_stored_with_the_headers(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("bearer", secret="the-canary-token")
    response = await post(ingest, endpoint, body_of(), Cookie="session=canary-cookie")
    assert response.status_code == 202
    headers = json.dumps(stored(database, endpoint)[0]["headers"])
    assert "canary" not in headers


async def test_without_a_database_the_answer_is_503_and_never_2xx(
    ingest_settings: IngestSettings, make_endpoint: MakeEndpoint
) -> None:
    app = create_app(ingest_settings.model_copy(update={"supabase_url": "http://127.0.0.1:9"}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    endpoint = make_endpoint()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ingest") as client,
    ):
        response = await post(client, endpoint, body_of())
        assert_refused(response, 503, "database_unavailable")
        assert response.headers["retry-after"] == "5"
        assert (await client.get("/healthz")).status_code == 503


async def test_healthz_says_what_this_is(ingest: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/functions/v1/ingest/healthz"):
        answer = (await ingest.get(path)).json()
        assert answer["status"] == "success"
        assert answer["data"]["function"] == "ingest"
        assert answer["data"]["database"] == "reachable"
