"""Signing in by the API, against the real Auth server and one that does not do well."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from functions.api.app import create_app
from functions.api.settings import ApiSettings
from tests.functions.api.conftest import Account, client_of, data_of, refused
from tests.functions.api.receiver import Answer, Receiver

WRONG = "Wrong e-mail address or password"


async def test_a_login_gives_a_token_that_works(
    anna: Account, anonymous: httpx.AsyncClient
) -> None:
    body = {"email": anna.user.email, "password": anna.user.password}
    session = await data_of(anonymous.post("/api/auth/login", json=body))
    assert session["user"] == {"id": str(anna.user.id), "email": anna.user.email}
    assert session["expiresIn"] > 0
    assert session["refreshToken"]
    headers = {"Authorization": f"Bearer {session['accessToken']}"}
    await data_of(anonymous.get("/api/webhooks", headers=headers))


async def test_a_wrong_password_and_an_unknown_address_are_refused_alike(
    anna: Account, anonymous: httpx.AsyncClient
) -> None:
    for email, password in ((anna.user.email, "hunter2"), ("nobody@example.com", "hunter2")):
        answer = await anonymous.post(
            "/api/auth/login", json={"email": email, "password": password}
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.json()["error"] == WRONG
        assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "email"),
        ({"email": "a@example.com"}, "password"),
        ({"email": "", "password": "x"}, "email"),
        ({"email": "a@example.com", "password": ""}, "password"),
        ({"email": "a@example.com", "password": 5}, "password"),
        ({"email": "a@example.com", "password": "x", "more": 1}, "more"),
    ],
)
async def test_a_bad_login_is_refused_by_field(
    body: dict[str, Any], told: str, anonymous: httpx.AsyncClient
) -> None:
    response = anonymous.post("/api/auth/login", json=body)
    assert (await refused(response, 400, "invalid_request")).startswith(told)


LOGIN = {"email": "a@example.com", "password": "hunter2"}


@asynccontextmanager
async def api_at(supabase_url: str, settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API of a project elsewhere."""
    app = create_app(settings.model_copy(update={"supabase_url": supabase_url}))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def test_an_auth_server_that_is_away_is_503(api_settings: ApiSettings) -> None:
    async with api_at("http://127.0.0.1:9", api_settings) as client:
        words = await refused(
            client.post("/api/auth/login", json=LOGIN), 503, "service_unavailable"
        )
    assert words == "Supabase Auth cannot be reached; try again"


@pytest.mark.parametrize(
    ("answer", "status", "code", "told"),
    [
        (Answer(400, '{"error_code": "invalid_credentials"}'), 401, "unauthorized", WRONG),
        (Answer(422, "[]"), 401, "unauthorized", WRONG),
        (Answer(400, "not JSON"), 401, "unauthorized", WRONG),
        (
            Answer(400, '{"error_code": "email_not_confirmed"}'),
            401,
            "unauthorized",
            "not confirmed",
        ),
        (Answer(429, "{}"), 429, "rate_limited", "Too many requests"),
        (Answer(401, '{"message": "Invalid API key"}'), 500, "internal_error", "our side"),
        (Answer(502, "<html>"), 503, "service_unavailable", "Supabase Auth cannot be reached"),
    ],
)
async def test_what_auth_says_becomes_an_error_of_ours(
    answer: Answer,
    status: int,
    code: str,
    told: str,
    receiver: Receiver,
    api_settings: ApiSettings,
) -> None:
    project = f"/{uuid.uuid4().hex}"
    receiver.answers[f"{project}/auth/v1/token"] = answer
    async with api_at(f"{receiver.url}{project}", api_settings) as client:
        assert told in await refused(client.post("/api/auth/login", json=LOGIN), status, code)


@pytest.mark.parametrize(("given", "expected"), [("7", "7"), ("", "60"), ("soon", "60")])
async def test_a_caller_that_is_held_back_is_told_for_how_long(
    given: str, expected: str, receiver: Receiver, api_settings: ApiSettings
) -> None:
    project = f"/{uuid.uuid4().hex}"
    answer = Answer(429, "{}", {"Retry-After": given})
    receiver.answers[f"{project}/auth/v1/token"] = answer
    async with api_at(f"{receiver.url}{project}", api_settings) as client:
        response = await client.post("/api/auth/login", json=LOGIN)
    assert response.headers["retry-after"] == expected


async def test_auth_gets_the_projects_key_and_the_password_only(
    receiver: Receiver, api_settings: ApiSettings
) -> None:
    project = f"/{uuid.uuid4().hex}"
    async with api_at(f"{receiver.url}{project}", api_settings) as client:
        await client.post("/api/auth/login", json=LOGIN, headers={"X-Other": "1"})
    (sent,) = receiver.at(f"{project}/auth/v1/token?grant_type=password")
    assert json.loads(sent.body) == LOGIN
    key = api_settings.supabase_publishable_key.get_secret_value()
    assert sent.headers["apikey"] == key
    assert "x-other" not in sent.headers
