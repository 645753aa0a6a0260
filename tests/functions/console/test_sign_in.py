"""Who gets in, how long for, and what the browser is given to keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette

from functions.console import sessions
from functions.console.app import create_app
from functions.console.settings import ConsoleSettings
from shared.management import auth
from tests.functions.console.conftest import ORIGIN, Browser, words_of
from tests.running_stack import User

REMOTE = "https://console.example.com"


async def test_whoever_is_not_signed_in_is_sent_to_the_form_and_back(
    open_browser: Callable[..., Any], users: tuple[User, ...]
) -> None:
    browser: Browser = await open_browser()
    answer = await browser.get("/endpoints", 303)
    assert answer.headers["location"] == "/console/sign-in?next=/endpoints"

    answer = await browser.post(
        "/sign-in?next=/endpoints",
        page="/sign-in",
        email=users[0].email,
        password=users[0].password,
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/endpoints")
    assert users[0].email in words_of(await browser.get("/endpoints"))


FILTERS = "/log?status=failed&text=a+b%26c%C3%A9&from=2026-11-25T10%3A00%3A00.000Z"


async def test_signing_in_leads_back_to_the_page_with_its_filters(
    open_browser: Callable[..., Any], users: tuple[User, ...]
) -> None:
    browser: Browser = await open_browser()
    form = (await browser.get(FILTERS, 303)).headers["location"].removeprefix("/console")
    assert form.startswith("/sign-in?next=/log%3Fstatus")
    page = await browser.get(form)
    action = unescape(page.text.partition('action="/console')[2].partition('"')[0])

    fields = {"email": users[0].email, "password": users[0].password}
    answer = await browser.post(action, page=form, **fields)

    assert answer.headers["location"] == f"/console{FILTERS}"
    await browser.get(FILTERS)


async def test_a_script_and_a_form_lead_back_to_the_page_that_they_stand_on(
    open_browser: Callable[..., Any],
) -> None:
    browser: Browser = await open_browser()
    here, back = f"{ORIGIN}/console{FILTERS}", f"/console/sign-in?next={quote(FILTERS)}"
    polled = await browser.get("/queue", 401, **{"HX-Request": "true", "HX-Current-URL": here})
    assert polled.headers["hx-redirect"] == back
    sent = await browser.client.post("/console/log/reprocess", headers={"Referer": here})
    assert (sent.status_code, sent.headers["location"]) == (303, back)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/log?x=1",
        "https://evil.example/consoles",
        "//evil.example",
        "http://[",
        "javascript:alert(1)",
        "",
    ],
)
async def test_nobody_is_led_back_to_what_is_no_page_of_ours(
    open_browser: Callable[..., Any], address: str
) -> None:
    browser: Browser = await open_browser()
    script = {"HX-Request": "true", "HX-Current-URL": address}
    answer = await browser.get("/queue", 401, **script)
    assert answer.headers["hx-redirect"] == "/console/sign-in"


async def test_of_another_sites_address_only_a_path_of_ours_is_taken(
    open_browser: Callable[..., Any],
) -> None:
    browser: Browser = await open_browser()
    script = {"HX-Request": "true", "HX-Current-URL": "https://evil.example/console//x.example?y=1"}
    form = (await browser.get("/queue", 401, **script)).headers["hx-redirect"]
    page = await browser.get(form.removeprefix("/console"))
    assert 'action="/console/sign-in?next=/"' in unescape(page.text).replace("%2F", "/")


async def test_a_wrong_password_and_an_unknown_address_are_told_alike(
    open_browser: Callable[..., Any], users: tuple[User, ...]
) -> None:
    browser: Browser = await open_browser()
    told = []
    for email in (users[0].email, "nobody@example.com"):
        answer = await browser.post("/sign-in", page="/sign-in", email=email, password="hunter2")
        assert answer.status_code == 401
        assert sessions.ACCESS not in browser.client.cookies
        told.append(words_of(answer))
    assert "Wrong e-mail address or password" in told[0]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "//evil.example/log?status=failed",
        "/\\evil.example",
        "/log?text=\r\nSet-Cookie: a=b",
        "/sign-out",
        "/sign-in?next=/log",
        "?next=/log",
        "\n/x",
    ],
)
async def test_signing_in_leads_nowhere_else(
    open_browser: Callable[..., Any], users: tuple[User, ...], path: str
) -> None:
    browser: Browser = await open_browser()
    fields = {"csrf": await browser.csrf("/sign-in")}
    fields |= {"email": users[0].email, "password": users[0].password}
    answer = await browser.client.post("/console/sign-in", params={"next": path}, data=fields)
    assert answer.headers["location"] == "/console/"


@pytest.mark.parametrize(("origin", "is_secure"), [("http://127.0.0.1", False), (REMOTE, True)])
async def test_cookies_are_out_of_scripts_reach(
    open_browser: Callable[..., Any], users: tuple[User, ...], origin: str, is_secure: bool
) -> None:
    browser: Browser = await open_browser(origin=origin)
    answer = await browser.sign_in(users[0])
    kept = [one for one in answer.headers.get_list("set-cookie") if "Max-Age=0" not in one]
    assert {one.partition("=")[0] for one in kept} == {sessions.ACCESS, sessions.REFRESH}
    for cookie in kept:
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/console" in cookie
        assert ("Secure" in cookie) is is_secure


async def test_no_page_shows_a_token(anna: Browser) -> None:
    tokens = [anna.client.cookies[name] for name in (sessions.ACCESS, sessions.REFRESH)]
    for path in ("/", "/settings", "/endpoints/new"):
        page = (await anna.get(path)).text
        assert not any(token in page for token in tokens)


async def test_a_session_that_has_run_out_is_renewed(anna: Browser) -> None:
    before = anna.client.cookies[sessions.REFRESH]
    anna.client.cookies.delete(sessions.ACCESS, domain="127.0.0.1", path="/console")
    await anna.get("/settings")
    assert anna.client.cookies[sessions.ACCESS]
    assert anna.client.cookies[sessions.REFRESH] != before


async def test_one_token_renews_once_for_all_that_a_page_asks_for_at_a_time(
    anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    refresh = auth.refresh

    async def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return await refresh(*arguments)

    monkeypatch.setattr(auth, "refresh", counted)
    anna.client.cookies.delete(sessions.ACCESS, domain="127.0.0.1", path="/console")
    cookie = f"{sessions.REFRESH}={anna.client.cookies[sessions.REFRESH]}"
    await asyncio.gather(*(anna.get("/settings", cookie=cookie) for _ in range(5)))
    assert len(calls) == 1


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c", "x" * 20_000])
async def test_a_token_that_is_none_is_forgotten(
    open_browser: Callable[..., Any], token: str
) -> None:
    browser: Browser = await open_browser()
    cookie = f"{sessions.ACCESS}={token}; {sessions.REFRESH}={token}"
    answer = await browser.get("/", 303, cookie=cookie)
    assert answer.headers["location"] == "/console/sign-in"
    assert any("Max-Age=0" in one for one in answer.headers.get_list("set-cookie"))


async def test_a_forged_token_gets_nothing(anna: Browser) -> None:
    head, claims, signature = anna.client.cookies[sessions.ACCESS].split(".")
    forged = f"{head}.{claims}.{signature[::-1]}"
    answer = await anna.get("/endpoints", 303, cookie=f"{sessions.ACCESS}={forged}")
    assert answer.headers["location"].startswith("/console/sign-in")


async def test_signing_out_ends_the_session_here_and_at_auth(
    open_browser: Callable[..., Any], new_user: Callable[[], User]
) -> None:
    browser: Browser = await open_browser(new_user())
    refresh = browser.client.cookies[sessions.REFRESH]
    answer = await browser.post("/sign-out")
    assert answer.headers["location"] == "/console/sign-in"
    assert sessions.ACCESS not in browser.client.cookies
    answer = await browser.get("/", 303, cookie=f"{sessions.REFRESH}={refresh}")
    assert answer.headers["location"] == "/console/sign-in"


async def test_a_script_is_told_to_go_to_the_form(open_browser: Callable[..., Any]) -> None:
    browser: Browser = await open_browser()
    answer = await browser.get("/queue", 401, **{"HX-Request": "true"})
    assert answer.headers["hx-redirect"] == "/console/sign-in"


async def test_auth_that_is_away_is_told_in_words(console_settings: ConsoleSettings) -> None:
    away = console_settings.model_copy(update={"supabase_url": "http://127.0.0.1:9"})
    app: Starlette = create_app(away)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            browser = Browser(client)
            answer = await browser.post("/sign-in", page="/sign-in", email="a@b.c", password="x")
    assert answer.status_code == 503
    assert "Supabase Auth cannot be reached" in words_of(answer)
