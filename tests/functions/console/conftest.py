"""The console as a running application, and browsers without a screen."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import psycopg
import pytest
from starlette.applications import Starlette
from uuid_utils.compat import uuid7

from functions.console.app import create_app
from functions.console.settings import ConsoleSettings
from tests.database.factories import insert
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]

MakeEvent = Callable[..., str]

ORIGIN = "http://127.0.0.1"
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
PUBLIC_URL = "https://hooks.example.com"


@dataclass(frozen=True)
class Browser:
    """Keeps cookies, and fills in forms as they stand on the page."""

    client: httpx.AsyncClient

    async def get(self, path: str, status: int = 200, **headers: str) -> httpx.Response:
        answer = await self.client.get(f"/console{path}", headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    async def csrf(self, path: str) -> str:
        found = CSRF.search((await self.get(path)).text)
        assert found is not None
        return found[1]

    async def post(self, path: str, page: str = "/settings", **fields: Any) -> httpx.Response:
        """Sends a form that stands on a page."""
        fields = {"csrf": await self.csrf(page)} | fields
        return await self.client.post(f"/console{path}", data=fields)

    async def sign_in(self, user: User) -> httpx.Response:
        return await self.post(
            "/sign-in", page="/sign-in", email=user.email, password=user.password
        )


def words_of(answer: httpx.Response) -> str:
    """What a reader sees of a page."""
    return unescape(re.sub(r"<[^>]*>", " ", answer.text))


@pytest.fixture
def console_settings(stack: RunningStack) -> ConsoleSettings:
    return ConsoleSettings(
        supabase_url=stack.api_url,
        supabase_publishable_key=stack.publishable_key,
        encryption_keys=stack.encryption_keys,
        functions_secret=stack.functions_secret,
        functions_url=PUBLIC_URL,
        delivery_allowed_networks="127.0.0.0/8",
        body_deadline_seconds=1,
    )


@pytest.fixture
async def app(console_settings: ConsoleSettings) -> AsyncIterator[Starlette]:
    app = create_app(console_settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def open_browser(app: Starlette) -> AsyncIterator[Callable[..., Any]]:
    """Opens a browser; signed in, if a user is given."""
    async with AsyncExitStack() as opened:

        async def open_one(user: User | None = None, origin: str = ORIGIN) -> Browser:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=origin, timeout=30)
            browser = Browser(await opened.enter_async_context(client))
            if user is not None:
                answer = await browser.sign_in(user)
                assert answer.status_code == 303, answer.text
            return browser

        yield open_one


@pytest.fixture(scope="session")
def users(new_user: Callable[[], User]) -> tuple[User, User, User]:
    return new_user(), new_user(), new_user()


@pytest.fixture
async def anna(open_browser: Callable[..., Any], users: tuple[User, ...]) -> Browser:
    """Whose things these are."""
    browser: Browser = await open_browser(users[0])
    return browser


@pytest.fixture
async def ben(open_browser: Callable[..., Any], users: tuple[User, ...]) -> Browser:
    """Whose business they are not."""
    browser: Browser = await open_browser(users[1])
    return browser


@pytest.fixture
async def newcomer(open_browser: Callable[..., Any], new_user: Callable[[], User]) -> Browser:
    """Who has nothing yet."""
    browser: Browser = await open_browser(new_user())
    return browser


@pytest.fixture
async def admin(
    open_browser: Callable[..., Any], users: tuple[User, ...], database: Connection
) -> Browser:
    database.execute(
        "insert into private.admins (user_id) values (%s) on conflict do nothing", [users[2].id]
    )
    browser: Browser = await open_browser(users[2])
    return browser


async def create_endpoint(browser: Browser, **fields: Any) -> str:
    """A new endpoint, made by its form; its id."""
    form = ENDPOINT | fields
    answer = await browser.post("/endpoints/new", page="/endpoints/new", **form)
    assert answer.status_code == 201, words_of(answer)
    return id_in(answer, "endpoints")


async def create_webhook(browser: Browser, **fields: Any) -> str:
    """A new webhook, made by its form; its id."""
    form = WEBHOOK | fields
    answer = await browser.post("/webhooks/new", page="/webhooks/new", **form)
    if form["kind"] == "slack":  # which has no secret to show
        assert answer.status_code == 303, words_of(answer)
        return answer.headers["location"].rpartition("/")[2]
    assert answer.status_code == 201, words_of(answer)
    return id_in(answer, "webhooks")


def id_in(answer: httpx.Response, kind: str) -> str:
    """The first id of this kind that a page links to."""
    found = re.search(rf"/console/{kind}/([0-9a-f-]{{36}})", answer.text)
    assert found is not None
    return found[1]


async def create_rule(browser: Browser, **fields: Any) -> str:
    """A new rule, made by its form; its id."""
    form = RULE | {"name": f"Rule {uuid.uuid4().hex}"} | fields
    answer = await browser.post("/rules/new", page="/rules/new", **form)
    assert answer.status_code == 303, words_of(answer)
    page = (await browser.get("/rules")).text.partition(f">{form['name']}<")[0]
    found: list[str] = re.findall(r"/console/rules/([0-9a-f-]{36})/edit", page)
    return found[-1]


ENDPOINT: dict[str, Any] = {
    "name": "Shop",
    "scheme": "webhook_signature",
    "processingMode": "review",
    "confidenceThreshold": "0.7",
    "dedupeWindowSeconds": "86400",
}
WEBHOOK: dict[str, Any] = {
    "name": "Receiver",
    "url": "https://receiver.example.com/in",
    "events": "order.*\nticket.created",
    "kind": "http",
    "signatureProfile": "standard",
    "bodyStyle": "compact",
    "timeoutSeconds": "15",
}
RULE: dict[str, Any] = {
    "name": "Tag orders",
    "entityTable": "order",
    "condition": "event.data.total > 10",
    "priority": "100",
    "isActive": "1",
    "actions.0.type": "tag",
    "actions.0.tag.tags": "big, ordered",
}


@pytest.fixture
def make_event(database: Connection, users: tuple[User, ...]) -> MakeEvent:
    """Puts an event of Anna's into the queue."""

    def make(endpoint_id: str, **columns: Any) -> str:
        event_id = uuid7()
        row: dict[str, Any] = {
            "id": event_id,
            "endpoint_id": endpoint_id,
            "user_id": users[0].id,
            "event_type": "order.completed",
            "payload": {"data": {"id": 1001, "total": 12.5}},
            "headers": {"content-type": "application/json"},
            "scheme": "none",
            "dedupe_key": f"id:{event_id}",
            "stage": "review",
            "entity_table": "order",
            "is_person": False,
            "ai_confidence": 0.55,
            "classified_by": "wordllama",
        } | columns
        insert(database, "public.webhook_events", **row)
        return str(event_id)

    return make


def failed(**columns: Any) -> dict[str, Any]:
    return {"status": "failed", "stage": "rules", "error_message": "It broke"} | columns
