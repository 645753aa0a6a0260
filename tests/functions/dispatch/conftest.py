"""Dispatch as a running application, webhooks for it to deliver to, receivers; a sender alone.

And a record of whatever is connected to.
"""

from __future__ import annotations

import json
import ssl
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
import trustme
from psycopg.types.json import Jsonb

from functions.dispatch.app import create_app
from functions.dispatch.sender import Sender
from functions.dispatch.settings import DispatchSettings
from receiver import Receiver, receiving
from shared.encryption import SecretBox
from shared.profiles import generate_secret
from tests.functions.dispatch.sending import LOCAL, NAME, certificate
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]
Row = dict[str, Any]
LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(frozen=True)
class Hook:
    """A webhook in the database."""

    id: uuid.UUID
    owner: uuid.UUID
    secret: str = field(repr=False)


MakeHook = Callable[..., Hook]
Publish = Callable[..., uuid.UUID]
Dispatch = Callable[..., Coroutine[Any, Any, Row]]


@pytest.fixture
def owner(new_user: Callable[[], User]) -> User:
    """Each test's own, so that what one publishes reaches no webhook of another."""
    return new_user()


@pytest.fixture
def nothing_waits(database: Connection) -> None:
    """What other tests have left in the queue is taken away, so that counts are this test's own."""
    database.execute("delete from public.webhooks")


@pytest.fixture
def secrets(stack: RunningStack) -> SecretBox:
    return SecretBox.from_setting(stack.encryption_keys)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def make_hook(
    database: Connection, owner: User, secrets: SecretBox, nothing_waits: None
) -> Iterator[MakeHook]:
    """Makes a webhook for everything. Keywords are columns of webhooks, and `secret`, `headers`, `user`.

    All are deleted with the test, so that what they still wait for disturbs no other.
    """
    made: list[uuid.UUID] = []

    def make(url: str, **columns: Any) -> Hook:
        user: User = columns.pop("user", owner)
        secret = columns.pop("secret", None) or generate_secret()
        headers: dict[str, str] = columns.pop("headers", {})
        row = {"name": "Test", "url": url, "events": ["*"], "created_by": user.id} | columns
        values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
        inserted = database.execute(
            f"insert into public.webhooks ({', '.join(row)})"  # noqa: S608 (columns of ours)
            f" values ({', '.join(['%s'] * len(row))}) returning id",
            values,
        ).fetchone()
        assert inserted is not None
        stored = [("signing", "", secret), *(("header", *header) for header in headers.items())]
        for purpose, name, text in stored:
            database.execute(
                "insert into private.webhook_secrets (webhook_id, purpose, name, ciphertext)"
                " values (%s, %s, %s, %s)",
                [inserted["id"], purpose, name, secrets.encrypt(text)],
            )
        made.append(inserted["id"])
        return Hook(inserted["id"], user.id, secret)

    yield make
    database.execute("delete from public.webhooks where id = any (%s)", [made])


@pytest.fixture
def publish(database: Connection, owner: User) -> Publish:
    """Publishes an event of the owner's; its id."""

    def publish_(event_type: str = "ticket.created", data: Any = None, user: User = owner) -> Any:
        answer = database.execute(
            "select public.publish_event(%s, %s, %s) as answer",
            [event_type, json.dumps(data or {}), user.id],
        ).fetchone()
        assert answer is not None
        return uuid.UUID(answer["answer"]["id"])

    return publish_


@pytest.fixture
def dispatch_settings(stack: RunningStack) -> DispatchSettings:
    return DispatchSettings(
        supabase_url=stack.api_url,
        supabase_secret_key=stack.secret_key,
        functions_secret=stack.functions_secret,
        encryption_keys=stack.encryption_keys,
        delivery_allowed_networks=LOOPBACK,
    )


@pytest.fixture
async def dispatch_client(
    dispatch_settings: DispatchSettings, stack: RunningStack
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running dispatch, that knows the functions' secret."""
    app = create_app(dispatch_settings)
    headers = {"Authorization": f"Bearer {stack.functions_secret}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://dispatch", headers=headers, timeout=60
        ) as client,
    ):
        yield client


@pytest.fixture
def dispatch(dispatch_client: httpx.AsyncClient) -> Dispatch:
    """Calls dispatch; what it counted."""

    async def call(*delivery_ids: uuid.UUID) -> Row:
        body = {"delivery_ids": [str(one) for one in delivery_ids]} if delivery_ids else {}
        response = await dispatch_client.post("/", json=body)
        assert response.status_code == 200, response.text
        counts: Row = response.json()["data"]
        return counts

    return call


class Connects:
    """The addresses that this process connects to, as the interpreter's audit events tell them."""

    def __init__(self) -> None:
        self.addresses: list[Any] | None = None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and self.addresses is not None:
            self.addresses.append(arguments[1])


_connects = Connects()


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """Every address that a socket of this process was told to connect to during the test."""
    _connects.addresses = []
    yield _connects.addresses
    _connects.addresses = None


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    """Sends within this machine."""
    async with Sender(LOCAL) as started:
        yield started


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA) -> ssl.SSLContext:
    """Trusts the authority as a sender would a public one."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    return certificate(authority, NAME)
