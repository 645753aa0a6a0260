"""Receiving a webhook: read, verify, store together with others, answer after the commit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from functions.ingest.endpoints import Endpoint, Endpoints
from functions.ingest.ingest import Handshake, accept, outcome
from functions.ingest.settings import IngestSettings
from shared.body import read_body
from shared.database import Database
from shared.errors import HeadersTooLarge, InvalidSignature, UnknownEndpoint
from shared.group_commit import GroupCommit
from shared.responses import json_response, log_facts, success
from shared.signatures import Headers, SignedRequest

REFRESH_SECONDS = 1.0

PATHS = (
    "/functions/v1/ingest/{slug}",
    "/functions/v1/webhook-ingest/{slug}",
    "/functions/v1/webhooks/{slug}",
    "/api/webhooks/receive",
    "/{slug}",
)
"""Where webhooks are posted. The last is for a runtime that gives the function an address of its own."""


class Receiver:
    """The state of one ingest process: its cache of endpoints and the group that waits to be stored."""

    def __init__(self, database: Database, endpoints: Endpoints, settings: IngestSettings) -> None:
        self.database = database
        self._endpoints, self._settings = endpoints, settings
        self.group: GroupCommit[dict[str, Any]] = GroupCommit(
            self._store,
            max_rows=settings.group_max_events,
            max_bytes=settings.group_max_bytes,
            concurrency=settings.group_concurrency,
            overlap_rows=settings.group_overlap_events,
        )

    async def receive(self, request: Request) -> Response:
        """Answers 202 once the event is committed, or raises why it was not."""
        raw_headers = request.scope["headers"]
        size = sum(len(name) + len(value) for name, value in raw_headers)
        if size > self._settings.max_header_bytes:
            raise HeadersTooLarge
        slug = request.path_params.get("slug", "receive")
        endpoint = await self._endpoint(slug)
        body = await read_body(
            request,
            limit=self._settings.max_body_bytes,
            deadline_seconds=self._settings.body_deadline_seconds,
        )
        signed = SignedRequest(request.method, request.scope["path"], Headers(raw_headers), body)
        try:
            accepted = accept(signed, endpoint, int(time.time()))
        except InvalidSignature:
            # The secret may be newer than what is cached; asked at most once a second, whoever guesses.
            endpoint = await self._endpoint(slug, max_age_seconds=REFRESH_SECONDS)
            accepted = accept(signed, endpoint, int(time.time()))
        if isinstance(accepted, Handshake):
            return json_response(accepted.answer)
        stored = outcome(await self.group.submit(accepted.json))
        log_facts(request, event_id=stored["id"], endpoint_id=endpoint.id, state=stored["state"])
        return success(stored, 202)

    async def _endpoint(self, slug: str, *, max_age_seconds: float | None = None) -> Endpoint:
        endpoint = await self._endpoints.get(slug, max_age_seconds=max_age_seconds)
        if endpoint is None:
            raise UnknownEndpoint
        return endpoint

    async def _store(self, rows: Sequence[bytes]) -> Sequence[dict[str, Any]]:
        events = (b"[" + b",".join(rows) + b"]").decode()
        results: list[dict[str, Any]] = await self.database.call("ingest_events", p_events=events)
        return results
