"""Refused requests, kept for the owner of the endpoint: noted at once, written in the background.

Noting one costs next to nothing and never waits. What is noted is bounded, so whoever sends rubbish in
masses fills neither memory nor disk: of each endpoint the newest few are written at a time, and the
database keeps a hundred. Writing may fail; then they are lost, and the answers were given anyway.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import orjson
import uuid_utils

from functions.ingest.endpoints import Endpoint
from shared.errors import InvalidRequest, SwitchhookError
from shared.signatures import Headers, storable_headers

MAX_PER_ENDPOINT = 10
MAX_ENDPOINTS = 50
"""Noted at a time; each may hold headers and a body's beginning."""
MAX_BODY_START = 16 * 1024
MAX_REASON_LENGTH = 500
DELAY_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request and why it was refused."""

    id: str
    endpoint: Endpoint
    error: SwitchhookError
    method: str
    headers: Headers
    body_bytes: int | None
    """None if the body was not read."""
    body_start: bytes | None
    at: float
    """Unix seconds."""

    @classmethod
    def of(
        cls,
        endpoint: Endpoint,
        error: SwitchhookError,
        method: str,
        headers: Headers,
        body: bytes | None,
    ) -> Self:
        """Keeps the body's beginning only if what was signed is itself at fault: all else is
        anybody's to send.
        """
        start = None
        if body is not None and isinstance(error, InvalidRequest):
            start = body[:MAX_BODY_START]
        size = None if body is None else len(body)
        identifier = str(uuid_utils.uuid7())
        return cls(identifier, endpoint, error, method, headers, size, start, time.time())

    def row(self) -> dict[str, Any]:
        """As the RPC `record_refusals` takes it."""
        start = self.body_start
        reason = "; ".join(getattr(self.error, "__notes__", ())) or self.error.message
        return {
            "id": self.id,
            "endpoint_id": self.endpoint.id,
            "status": self.error.status,
            "code": self.error.code,
            "reason": reason[:MAX_REASON_LENGTH],
            "method": self.method,
            "headers": storable_headers(self.headers, self.endpoint.credential_headers),
            "body_bytes": self.body_bytes,
            "body_start": None if start is None else base64.b64encode(start).decode(),
            "created_at": datetime.fromtimestamp(self.at, UTC).isoformat(),
        }


class Refusals:
    """What waits to be written.

    Args:
        store: writes rows, given as a JSON array.
        delay_seconds: how long notes are collected before they are written.
    """

    def __init__(
        self, store: Callable[[str], Awaitable[Any]], *, delay_seconds: float = DELAY_SECONDS
    ) -> None:
        self._store, self._delay_seconds = store, delay_seconds
        self._noted: dict[str, deque[Refusal]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def note(
        self,
        endpoint: Endpoint,
        error: SwitchhookError,
        method: str,
        headers: Headers,
        body: bytes | None,
    ) -> None:
        """Keeps a refusal in mind, unless it is a fault of ours. Of too many, the newest stay."""
        if error.status >= 500:
            return
        noted = self._noted.get(endpoint.id)
        if noted is None:
            if len(self._noted) >= MAX_ENDPOINTS:
                return
            noted = self._noted[endpoint.id] = deque(maxlen=MAX_PER_ENDPOINT)
        noted.append(Refusal.of(endpoint, error, method, headers, body))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_later())

    async def drain(self) -> None:
        """Writes what is noted so far."""
        self._hurry.set()
        if self._writing is not None:
            await self._writing

    async def _write_later(self) -> None:
        while self._noted:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._delay_seconds):
                    await self._hurry.wait()
            await self._write()

    async def _write(self) -> None:
        noted, self._noted = self._noted, {}
        rows = [refusal.row() for refusals in noted.values() for refusal in refusals]
        try:
            await self._store(orjson.dumps(rows).decode())
        except SwitchhookError as error:
            logger.warning("refusals not kept", extra={"error": error.code, "count": len(rows)})
