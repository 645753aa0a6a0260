"""Receiving a webhook: read, verify, store together with others, answer after the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from functions.ingest.endpoints import Endpoint, Endpoints
from functions.ingest.ingest import accept, batch_outcome, greet, outcome
from functions.ingest.refusals import Refusals
from functions.ingest.settings import IngestSettings
from shared import telemetry
from shared.body import read_body
from shared.database import Database
from shared.errors import (
    Forbidden,
    HeadersTooLarge,
    InvalidSignature,
    SwitchhookError,
    UnknownEndpoint,
)
from shared.group_commit import GroupCommit
from shared.responses import json_response, log_facts, success
from shared.signatures import Handshake, Headers, SignedRequest
from shared.telemetry.spans import Receipt

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
    """The state of one ingest process: its cache of endpoints, and what waits to be stored."""

    def __init__(self, database: Database, endpoints: Endpoints, settings: IngestSettings) -> None:
        self.database = database
        self._endpoints, self._settings = endpoints, settings
        self._base_url = settings.functions_url.rstrip("/")
        self.refusals = Refusals(self._record)
        self.group: GroupCommit[dict[str, Any]] = GroupCommit(
            self._store,
            max_rows=settings.group_max_events,
            max_bytes=settings.group_max_bytes,
            concurrency=settings.group_concurrency,
            overlap_rows=settings.group_overlap_events,
        )

    async def receive(self, request: Request) -> Response:
        """Answers 202 once the event is committed, or raises why it was not."""
        with telemetry.receipt() as receipt:
            return await self._receive(request, receipt)

    async def _receive(self, request: Request, receipt: Receipt) -> Response:
        slug: str = request.path_params.get("slug", "receive")
        endpoint = await self._endpoint(slug)
        body: bytes | None = None
        try:
            self._check_headers(request)
            body = await read_body(
                request,
                limit=self._settings.max_body_bytes,
                deadline_seconds=self._settings.body_deadline_seconds,
            )
            signed = self._signed(request, body)
            return await self._take(request, signed, slug, endpoint, receipt)
        except SwitchhookError as error:
            self._note(endpoint, error, request, body)
            raise

    async def _take(
        self,
        request: Request,
        signed: SignedRequest,
        slug: str,
        endpoint: Endpoint,
        receipt: Receipt,
    ) -> Response:
        try:
            accepted = accept(signed, endpoint, int(time.time()))
        except InvalidSignature:
            # The secret may be newer than what is cached; asked at most once a second, whoever guesses.
            endpoint = await self._endpoint(slug, max_age_seconds=REFRESH_SECONDS)
            accepted = accept(signed, endpoint, int(time.time()))
        if isinstance(accepted, Handshake):
            return _handshake_response(accepted)
        if accepted.is_batch:
            submitted = [self.group.submit(row) for row in accepted.json]
            results = await asyncio.gather(*submitted, return_exceptions=True)
            receipt.stored([one["state"] for one in results if isinstance(one, dict)])
            return success(batch_outcome(results), 202)
        stored = outcome(await self.group.submit(accepted.json[0]))
        receipt.stored([stored["state"]])
        log_facts(request, event_id=stored["id"], endpoint_id=endpoint.id, state=stored["state"])
        return success(stored, 202)

    async def greet(self, request: Request) -> Response:
        """Answers a vendor that asks with GET before it sends; nothing else is asked so."""
        if "hub.mode" not in request.query_params:
            raise HTTPException(405, headers={"Allow": "POST"})
        slug: str = request.path_params.get("slug", "receive")
        endpoint = await self._endpoint(slug)
        try:
            self._check_headers(request)
            for max_age_seconds in (None, REFRESH_SECONDS):
                endpoint = await self._endpoint(slug, max_age_seconds=max_age_seconds)
                answer = greet(self._signed(request, b""), endpoint)
                if answer is not None:
                    return _handshake_response(answer)
            raise Forbidden("The verify token does not match")
        except SwitchhookError as error:
            self._note(endpoint, error, request, None)
            raise

    async def drain(self) -> None:
        """Writes what has come so far."""
        await self.group.drain()
        await self.refusals.drain()

    def _check_headers(self, request: Request) -> None:
        size = sum(len(name) + len(value) for name, value in request.scope["headers"])
        if size > self._settings.max_header_bytes:
            raise HeadersTooLarge

    def _note(
        self, endpoint: Endpoint, error: SwitchhookError, request: Request, body: bytes | None
    ) -> None:
        headers = Headers(request.scope["headers"])
        self.refusals.note(endpoint, error, request.method, headers, body)

    def _signed(self, request: Request, body: bytes) -> SignedRequest:
        scope = request.scope
        return SignedRequest(
            request.method,
            self._base_url + scope["path"],
            Headers(scope["headers"]),
            body,
            scope["query_string"].decode("latin-1"),
        )

    async def _endpoint(self, slug: str, *, max_age_seconds: float | None = None) -> Endpoint:
        endpoint = await self._endpoints.get(slug, max_age_seconds=max_age_seconds)
        if endpoint is None:
            raise UnknownEndpoint
        return endpoint

    async def _store(self, rows: Sequence[bytes]) -> Sequence[dict[str, Any]]:
        events = (b"[" + b",".join(rows) + b"]").decode()
        results: list[dict[str, Any]] = await self.database.call("ingest_events", p_events=events)
        return results

    async def _record(self, rows: str) -> None:
        await self.database.call("record_refusals", p_refusals=rows)


def receiver_of(request: Request) -> Receiver:
    """The application's, which lives as long as it does."""
    receiver: Receiver = request.app.state.receiver
    return receiver


def _handshake_response(handshake: Handshake) -> Response:
    if handshake.json is not None:
        return json_response(handshake.json, handshake.status)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(handshake.text or "", handshake.status, headers)
