"""Ingest as a running application, and endpoints for it to receive for."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from functions.ingest.app import create_app
from functions.ingest.settings import IngestSettings
from shared.encryption import SecretBox
from shared.signatures import scheme_named
from tests.running_stack import RunningStack, User
from tests.shared.signatures.factories import SETTINGS, Sent
from tests.shared.signatures.key_pairs import PRIVATE_KEYS

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True)
class Endpoint:
    """An endpoint in the database, and how a source would sign for it."""

    id: uuid.UUID
    slug: str
    scheme: str
    secret: str = field(repr=False)
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/functions/v1/webhook-ingest/{self.slug}"

    def signed(self, body: bytes, now: float | None = None, **facts: str) -> dict[str, str]:
        """Headers as the source would send them."""
        scheme = scheme_named(self.scheme)
        settings = scheme.settings(self.settings)
        at = int(time.time() if now is None else now)
        headers = scheme.sign(body, self.secret, settings, at, **facts)
        return {"Content-Type": "application/json", **headers}

    def sent(self, body: bytes, now: float | None = None, **facts: str) -> Sent:
        """All that the source would send, with what it writes into the body and the address."""
        scheme = scheme_named(self.scheme)
        at = int(time.time() if now is None else now)
        complete = scheme.complete(body, self.secret, at)
        return Sent(self.signed(complete, at, **facts), complete, scheme.query(complete))


MakeEndpoint = Callable[..., Endpoint]


@pytest.fixture(scope="session")
def owner(new_user: Callable[[], User]) -> User:
    """The user whose endpoints these are."""
    return new_user()


@pytest.fixture
def secrets(stack: RunningStack) -> SecretBox:
    """Encrypts as the api function does."""
    return SecretBox.from_setting(stack.encryption_keys)


@pytest.fixture
def make_endpoint(database: Connection, owner: User, secrets: SecretBox) -> MakeEndpoint:
    """Makes an endpoint. Keywords are columns of webhook_endpoints, and `secret`."""

    def make(scheme: str = "webhook_signature", **columns: Any) -> Endpoint:
        made = PRIVATE_KEYS.get(scheme) or scheme_named(scheme).generate_secret()
        secret = columns.pop("secret", None) or made
        row: dict[str, Any] = {
            "name": "Test",
            "slug": uuid.uuid4().hex,
            "scheme": scheme,
            "created_by": owner.id,
            "scheme_settings": SETTINGS.get(scheme, {}),
        } | columns
        values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
        names = ", ".join(row)
        marks = ", ".join(["%s"] * len(row))
        inserted = database.execute(
            f"insert into public.webhook_endpoints ({names}) values ({marks}) returning id",  # noqa: S608
            values,
        ).fetchone()
        assert inserted is not None
        if scheme_named(scheme).needs_secret:
            database.execute(
                "insert into private.endpoint_secrets (endpoint_id, ciphertext) values (%s, %s)",
                [inserted["id"], secrets.encrypt(secret)],
            )
        return Endpoint(inserted["id"], row["slug"], scheme, secret, row["scheme_settings"])

    return make


@pytest.fixture
def ingest_settings(stack: RunningStack) -> IngestSettings:
    """Ingest's settings for the test stack."""
    return IngestSettings(
        supabase_url=stack.api_url,
        supabase_secret_key=stack.secret_key,
        functions_secret=stack.functions_secret,
        encryption_keys=stack.encryption_keys,
        endpoint_cache_seconds=0,
        body_deadline_seconds=1,
    )


@pytest.fixture
async def ingest(ingest_settings: IngestSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running ingest application."""
    app = create_app(ingest_settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://ingest",
            timeout=30,
        ) as client,
    ):
        yield client
