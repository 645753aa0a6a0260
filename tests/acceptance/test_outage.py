"""The database goes away while webhooks arrive, and comes back."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

import postgres
import stack as local_stack
from functions.ingest.app import create_app
from functions.ingest.settings import IngestSettings
from layout import on_free_ports, open_stack
from processes import stop
from tests.running_stack import RunningStack


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[RunningStack]:
    """A stack that may be broken without harm to other tests."""
    own = open_stack(on_free_ports(tmp_path))
    try:
        local_stack.up(own, functions=False)
        yield RunningStack.of(own)
    finally:
        local_stack.down(own)
        postgres.remove_data(own)


@pytest.fixture
async def ingest(own_stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        IngestSettings(
            supabase_url=own_stack.api_url,
            supabase_secret_key=own_stack.secret_key,
            functions_secret=own_stack.functions_secret,
            encryption_keys=own_stack.encryption_keys,
            endpoint_cache_seconds=600,
        )
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ingest", timeout=30) as client,
    ):
        yield client


async def test_a_database_that_is_away_is_503_and_never_a_2xx_and_the_retry_is_stored(
    own_stack: RunningStack, ingest: httpx.AsyncClient
) -> None:
    user, slug = own_stack.sign_up(), uuid.uuid4().hex
    with psycopg.connect(own_stack.database_url, autocommit=True) as database:
        database.execute(
            "insert into public.webhook_endpoints (name, slug, scheme, created_by) values ('x', %s, 'none', %s)",
            [slug, user.id],
        )

    async def post(number: int) -> httpx.Response:
        body = json.dumps({"event": "order.completed", "number": number})
        headers = {"Content-Type": "application/json"}
        return await ingest.post(f"/functions/v1/ingest/{slug}", content=body, headers=headers)

    assert (await post(1)).status_code == 202
    stop(postgres.service(own_stack.stack))
    refused = await post(2)
    assert refused.status_code == 503
    assert refused.json()["code"] == "database_unavailable"
    postgres.ensure_running(own_stack.stack)
    again = await post(2)
    assert again.status_code == 202
    assert again.json()["data"]["state"] == "accepted"
