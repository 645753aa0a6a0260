"""The ingest app with one thing changed, as the baselines of its measurement."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.applications import Starlette

import shared.database
from functions.ingest.app import create_app
from functions.ingest.settings import IngestSettings
from shared.group_commit import GroupCommit


def ingest() -> Starlette:
    """As it is."""
    return create_app(IngestSettings())


def one_rpc_per_request() -> Starlette:
    """One call to the database for each request, over httpx as it comes: what a plain function would do."""

    def plain_client(*, timeout_seconds: float, max_connections: int = 100) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=max_connections)
        return httpx.AsyncClient(timeout=timeout_seconds, limits=limits)

    shared.database.create_client = plain_client  # type: ignore[attr-defined]
    return one_rpc_per_request_fast_client()


def one_rpc_per_request_fast_client() -> Starlette:
    """The same over the HTTP client that Switchhook uses."""
    return create_app(
        IngestSettings(group_max_events=1, group_concurrency=1000, group_overlap_events=1)
    )


def stores_nothing() -> Starlette:
    """Verifies and parses, then answers as if it had stored."""

    async def submit(self: GroupCommit[dict[str, Any]], row: bytes) -> dict[str, Any]:
        return {"id": "00000000-0000-7000-8000-000000000000", "state": "accepted"}

    GroupCommit.submit = submit  # type: ignore[method-assign,assignment]
    return create_app(IngestSettings())
