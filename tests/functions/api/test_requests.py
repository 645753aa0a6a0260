"""What holds for every route: who may call, what a body may be, what an answer looks like."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from functions.api.app import create_app
from functions.api.docs import describe
from functions.api.settings import ApiSettings
from tests.functions.api.conftest import Account, client_of, data_of, refused
from tests.running_stack import RunningStack

SOME_ID = "0198c0de-0000-7000-8000-000000000000"
MIB = 1024 * 1024


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path for signed-in users, with an id in its place."""
    return [
        (method.upper(), re.sub(r"\{\w+\}", SOME_ID, path))
        for path, methods in describe(app)["paths"].items()
        for method, operation in methods.items()
        if "security" in operation
    ]


def claims(**values: object) -> str:
    """A token with these claims that nobody signed."""
    parts = [json.dumps({"alg": "HS256"}), json.dumps(values)]
    encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


@pytest.fixture
async def stranded(api_settings: ApiSettings) -> AsyncIterator[FastAPI]:
    """An application whose database is away: whatever gets that far is answered 503."""
    app = create_app(api_settings.model_copy(update={"supabase_url": "http://127.0.0.1:9"}))
    async with app.router.lifespan_context(app):
        yield app


async def test_there_are_routes_to_try(app: FastAPI) -> None:
    assert len(operations(app)) == 64


async def test_nobody_gets_to_the_database_without_a_token(stranded: FastAPI) -> None:
    async with client_of(stranded) as client:
        for method, path in operations(stranded):
            await refused(client.request(method, path), 401, "unauthorized")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer nonsense",
        "Bearer a.b.c",
        "Bearer a.b",
        f"Bearer {'x' * 10_000}",
        f"Bearer {claims(role='anon')}",
        f"Bearer {claims(role='service_role', sub=SOME_ID)}",
        f"Bearer {claims(sub=SOME_ID)}",
        f"Bearer {claims(role='authenticated', sub='me')}",
        f"Bearer {claims(role='authenticated')}",
        "Bearer " + "[" * 5000 + ".W10.",
    ],
)
async def test_what_is_no_users_token_is_refused_before_the_database(
    authorization: str, stranded: FastAPI
) -> None:
    async with client_of(stranded, Authorization=authorization) as client:
        await refused(client.get("/api/endpoints"), 401, "unauthorized")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER  "])
async def test_a_users_token_gets_to_the_database(scheme: str, stranded: FastAPI) -> None:
    token = claims(role="authenticated", sub=SOME_ID)
    async with client_of(stranded, Authorization=f"{scheme} {token}") as client:
        await refused(client.get("/api/endpoints"), 503, "database_unavailable")


async def test_a_key_of_the_project_is_no_user(
    connect: Callable[..., Any], stack: RunningStack
) -> None:
    for key in (stack.publishable_key, stack.secret_key):
        client = await connect(Authorization=f"Bearer {key}", apikey=key)
        await refused(client.get("/api/endpoints"), 401, "unauthorized")


async def test_a_forged_token_is_refused_by_the_database(
    connect: Callable[..., Any], anna: Account
) -> None:
    token = claims(role="authenticated", sub=str(anna.user.id))
    forged = await connect(Authorization=f"Bearer {token}")
    await refused(forged.get("/api/endpoints"), 401, "unauthorized")
    body = {"name": "Shop", "scheme": "none"}
    await refused(forged.post("/api/endpoints", json=body), 401, "unauthorized")
    altered = await connect(Authorization=f"Bearer {anna.user.token[:-2]}")
    await refused(altered.get("/api/endpoints"), 401, "unauthorized")


async def test_who_calls_is_asked_before_what_they_send(anonymous: httpx.AsyncClient) -> None:
    for content in (b"{", b"x" * (MIB + 1)):
        response = anonymous.post("/api/endpoints", content=content)
        await refused(response, 401, "unauthorized")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[]", "invalid_json"),
        (b'"text"', "invalid_json"),
        (b'{"name": NaN}', "invalid_json"),
        (b'{"name": "\\u0000"}', "invalid_request"),
        (b'{"name": "\\ud800"}', "invalid_request"),
        (b'{"\\ud800": 1}', "invalid_request"),
        (b"", "invalid_request"),
        (b"{}", "invalid_request"),
        (b'{"name": 1' + b"0" * 100 + b"}", "invalid_request"),
    ],
)
async def test_a_bad_body_is_refused(content: bytes, code: str, anna: Account) -> None:
    headers = {"Content-Type": "application/json"}
    response = anna.client.post("/api/endpoints", content=content, headers=headers)
    await refused(response, 400, code)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_is_json(media_type: str, anna: Account) -> None:
    headers = {"Content-Type": media_type}
    response = anna.client.post("/api/endpoints", content=b"{}", headers=headers)
    await refused(response, 415, "unsupported_media_type")


async def test_a_charset_may_be_named(anna: Account) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = json.dumps({"name": "Zoë's", "scheme": "none"}, ensure_ascii=False).encode()
    answer = await anna.client.post("/api/endpoints", content=body, headers=headers)
    assert answer.json()["data"]["name"] == "Zoë's"


async def test_a_body_is_at_most_one_mebibyte(anna: Account) -> None:
    padding = b" " * (MIB - len(b'{"scheme":1}'))
    headers = {"Content-Type": "application/json"}

    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]

    for declared in (True, False):
        fits, over = (b'{"scheme":1}' + padding + more for more in (b"", b" "))
        for content, status, code in (
            (fits, 400, "invalid_request"),
            (over, 413, "payload_too_large"),
        ):
            sent = content if declared else chunks(content)
            response = anna.client.post("/api/endpoints", content=sent, headers=headers)
            await refused(response, status, code)


async def test_a_body_that_never_ends_is_given_up(anna: Account) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(3)
        yield b"}"

    headers = {"Content-Type": "application/json"}
    response = anna.client.post("/api/endpoints", content=slow(), headers=headers)
    await refused(response, 408, "request_timeout")


@pytest.mark.parametrize(
    "resource", ["endpoints", "queue", "log", "rules", "entity-types", "webhooks", "events"]
)
async def test_an_id_that_is_none_is_not_found(resource: str, anna: Account) -> None:
    for made_up in ("x", "1", SOME_ID[:-1], SOME_ID, "%00", "é"):
        await refused(anna.client.get(f"/api/{resource}/{made_up}"), 404, "not_found")


async def test_an_unknown_path_is_not_found(anna: Account) -> None:
    await refused(anna.client.get("/api/nothing"), 404, "not_found")
    await refused(anna.client.get("/api/endpoints/"), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/endpoints", "GET, POST"),
        (f"/api/endpoints/{SOME_ID}", "DELETE, GET, PATCH, PUT"),
        (f"/api/queue/{SOME_ID}", "GET, PATCH"),
        ("/api/queue/approve", "POST"),
        ("/api/auth/login", "POST"),
        ("/api/v1/webhooks", "GET, POST"),
        (f"/api/v1/webhooks/{SOME_ID}", "DELETE, GET, PATCH, PUT"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    path: str, allowed: str, anonymous: httpx.AsyncClient
) -> None:
    answer = await anonymous.options(path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["docs", "openapi.json", "endpoints?limit=1", "event-types"])
async def test_a_path_under_v1_is_the_one_without(path: str, anna: Account) -> None:
    plain = await anna.client.get(f"/api/{path}")
    versioned = await anna.client.get(f"/api/v1/{path}")
    assert (versioned.status_code, versioned.content) == (200, plain.content)


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/v1/webhooks", "/v1/webhooks"])
async def test_there_is_one_version_and_one_place_for_it(path: str, anna: Account) -> None:
    await refused(anna.client.get(path), 404, "not_found")


async def test_the_description_tells_each_path_once(app: FastAPI) -> None:
    assert not [path for path in describe(app)["paths"] if "/v1" in path]


async def test_a_request_keeps_the_id_that_it_came_with(anna: Account) -> None:
    headers = {"X-Request-Id": "trace-1"}
    answer = await anna.client.get("/api/nothing", headers=headers)
    assert answer.json()["requestId"] == answer.headers["x-request-id"] == "trace-1"


async def test_no_cache_keeps_an_answer(anna: Account) -> None:
    answer = await anna.client.get("/api/endpoints")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_database_that_is_away_is_503_with_a_time_to_try_again(
    stranded: FastAPI, anna: Account
) -> None:
    async with client_of(stranded, Authorization=f"Bearer {anna.user.token}") as client:
        response = await client.get("/api/endpoints")
        health = await client.get("/healthz")
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert (health.status_code, health.json()["data"]["database"]) == (503, "unreachable")
    assert health.json()["requestId"] == health.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/healthz", "/functions/v1/api/healthz"])
async def test_the_health_page_needs_no_token(path: str, anonymous: httpx.AsyncClient) -> None:
    data = await data_of(anonymous.get(path))
    assert (data["function"], data["database"]) == ("api", "reachable")


@pytest.mark.parametrize("path", ["/api/log?eventType=a&eventType=b", "/api/queue?limit=1&limit=1"])
async def test_a_parameter_that_comes_twice_is_refused(stranded: FastAPI, path: str) -> None:
    token = claims(role="authenticated", sub=SOME_ID)
    async with client_of(stranded, Authorization=f"Bearer {token}") as client:
        words = await refused(client.get(path), 400, "invalid_request")
    assert "only once" in words
