"""The ingest app with one thing changed, as the baselines of its measurement."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.applications import Starlette

from functions.ingest import app
from functions.ingest.app import create_app
from functions.ingest.settings import IngestSettings
from shared.database import Database, _Connections, run
from shared.group_commit import GroupCommit


def ingest() -> Starlette:
    """As it is."""
    return create_app(IngestSettings.from_environment())


def one_rpc_per_request() -> Starlette:
    """One call to the database for each request, by Supabase's client over httpx, in Python as they come: what a plain
    function would do.
    """

    def client(self: _Connections) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=15)
        return self._client

    async def call(self: Database, function: str, **arguments: Any) -> Any:
        self.table("webhook_events")  # opens Supabase's client
        assert self._tables is not None
        return await run(self._tables.rpc(function, arguments))

    app.collect_rarely = lambda: None  # type: ignore[attr-defined,assignment]
    _Connections.client = client  # type: ignore[method-assign]
    Database.call = call  # type: ignore[method-assign]
    return one_rpc_per_request_fast_client()


def one_rpc_per_request_fast_client() -> Starlette:
    """The same over the HTTP client that Switchhook uses."""
    return create_app(
        IngestSettings.from_environment(
            group_max_events=1, group_concurrency=1000, group_overlap_events=1
        )
    )


def stores_nothing() -> Starlette:
    """Verifies and parses, then answers as if it had stored."""

    async def submit(self: GroupCommit[dict[str, Any]], row: bytes) -> dict[str, Any]:
        return {"id": "00000000-0000-7000-8000-000000000000", "state": "accepted"}

    GroupCommit.submit = submit  # type: ignore[method-assign,assignment]
    return create_app(IngestSettings.from_environment())
