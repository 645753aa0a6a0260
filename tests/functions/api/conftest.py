"""The API as a running application, clients of several users, and events for them to decide about."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from functions.api.app import create_app
from functions.api.settings import ApiSettings
from tests.database.factories import insert
from tests.functions.api.receiver import Receiver, running_receiver
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]
MakeEvent = Callable[..., str]

PUBLIC_URL = "https://hooks.example.com"


@dataclass(frozen=True)
class Account:
    """A user and a client that sends their token."""

    user: User
    client: httpx.AsyncClient

    async def create_endpoint(self, **fields: Any) -> dict[str, Any]:
        """A new endpoint, as the API answered it; `none` verifies unless told otherwise."""
        body = {"name": f"Shop {uuid.uuid4().hex}", "scheme": "none"} | fields
        return await created(self.client.post("/api/endpoints", json=body))

    async def create_webhook(self, **fields: Any) -> dict[str, Any]:
        """A new webhook, as the API answered it; it takes messages unless told otherwise."""
        body = {
            "name": "Receiver",
            "url": "https://hooks.example.com/in",
            "events": ["message.new"],
        } | fields
        return await created(self.client.post("/api/webhooks", json=body))

    async def publish(self, event: str, **data: Any) -> dict[str, Any]:
        """Publishes an event; the answer."""
        response = await self.client.post("/api/events", json={"event": event, "data": data})
        assert response.status_code == 202, response.text
        answer: dict[str, Any] = response.json()["data"]
        return answer

    async def create_rule(self, **fields: Any) -> dict[str, Any]:
        body = {"name": "Tag orders", "entityTable": "order"} | fields
        return await created(self.client.post("/api/rules", json=body))


async def created(response: Any) -> dict[str, Any]:
    """What a request that makes something answered."""
    answer: httpx.Response = await response
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def data_of(response: Any) -> Any:
    """What a request that goes well answered."""
    answer: httpx.Response = await response
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert content["status"] == "success"
    return content["data"]


async def all_of(account: Account, url: str, **query: Any) -> list[dict[str, Any]]:
    """Everything in a list, page by page."""
    items: dict[str, dict[str, Any]] = {}
    cursor: dict[str, str] = {}
    while True:
        page = await data_of(account.client.get(url, params=query | cursor))
        assert items.keys().isdisjoint(item["id"] for item in page["items"])
        items |= {item["id"]: item for item in page["items"]}
        if page["nextCursor"] is None:
            return list(items.values())
        assert len(page["items"]) == query.get("limit", 50)
        cursor = {"cursor": page["nextCursor"]}


async def refused(response: Any, status: int, code: str) -> str:
    """The words of a refusal with this status and code."""
    answer: httpx.Response = await response
    content = answer.json()
    assert (answer.status_code, content["code"]) == (status, code), answer.text
    assert content["status"] == "error"
    assert content["requestId"] == answer.headers["x-request-id"]
    words: str = content["error"]
    return words


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Takes deliveries on loopback."""
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def dispatch_url(functions_url: str) -> str:
    """Where dispatch answers."""
    return f"{functions_url}/functions/v1/dispatch"


@pytest.fixture
def api_settings(stack: RunningStack, dispatch_url: str) -> ApiSettings:
    return ApiSettings(
        supabase_url=stack.api_url,
        supabase_publishable_key=stack.publishable_key,
        encryption_keys=stack.encryption_keys,
        functions_secret=stack.functions_secret,
        functions_url=f"{PUBLIC_URL}/",
        dispatch_url=dispatch_url,
        delivery_allowed_networks="127.0.0.0/8",
        body_deadline_seconds=1,
    )


@pytest.fixture
async def app(api_settings: ApiSettings) -> AsyncIterator[FastAPI]:
    app = create_app(api_settings)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(
        transport=transport, base_url="http://api", headers=headers, timeout=30
    )


@pytest.fixture
async def connect(app: FastAPI) -> AsyncIterator[Callable[..., Any]]:
    """Opens a client with these headers."""
    async with AsyncExitStack() as opened:

        async def open_client(**headers: str) -> httpx.AsyncClient:
            return await opened.enter_async_context(client_of(app, **headers))

        yield open_client


@pytest.fixture
async def anonymous(connect: Callable[..., Any]) -> httpx.AsyncClient:
    client: httpx.AsyncClient = await connect()
    return client


async def _account(connect: Callable[..., Any], user: User) -> Account:
    return Account(user, await connect(Authorization=f"Bearer {user.token}"))


@pytest.fixture(scope="session")
def users(new_user: Callable[[], User]) -> tuple[User, User, User]:
    return new_user(), new_user(), new_user()


@pytest.fixture
async def anna(connect: Callable[..., Any], users: tuple[User, ...]) -> Account:
    """Whose things these are."""
    return await _account(connect, users[0])


@pytest.fixture
async def ben(connect: Callable[..., Any], users: tuple[User, ...]) -> Account:
    """Whose business they are not."""
    return await _account(connect, users[1])


@pytest.fixture
async def newcomer(connect: Callable[..., Any], new_user: Callable[[], User]) -> Account:
    """Who has nothing yet."""
    return await _account(connect, new_user())


@pytest.fixture
async def admin(
    connect: Callable[..., Any], users: tuple[User, ...], database: Connection
) -> Account:
    database.execute(
        "insert into private.admins (user_id) values (%s) on conflict do nothing", [users[2].id]
    )
    return await _account(connect, users[2])


@pytest.fixture
def make_event(database: Connection) -> MakeEvent:
    """Puts an event of an endpoint into the queue, by default one that waits for review."""

    def make(endpoint: dict[str, Any], **columns: Any) -> str:
        event_id = columns.pop("id", None) or uuid7()
        row: dict[str, Any] = {
            "id": event_id,
            "endpoint_id": endpoint["id"],
            "user_id": endpoint["createdBy"],
            "event_type": "order.completed",
            "external_id": "1001",
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
