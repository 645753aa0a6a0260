"""Sends one request to one receiver, who may be slow, broken or hostile, and tells what came of it."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from functions.dispatch.answers import (
    MAX_BODY_BYTES,
    Answer,
    ErrorCode,
    Outgoing,
    body_text,
    bounded_headers,
    retry_after_seconds,
)
from functions.dispatch.connecting import (
    MAX_HEAD_BYTES,
    Attempt,
    CheckedResolver,
    Connector,
    current_attempt,
    system_addresses,
)
from functions.dispatch.failures import Failure, explain
from shared.errors import InvalidRequest
from shared.http_client import create_session, public_certificates
from shared.outgoing_headers import is_sendable
from shared.targets import TargetPolicy, check_target
from shared.version import VERSION

__all__ = ["Answer", "ErrorCode", "Outgoing", "Sender"]


@dataclass(slots=True)
class Heard:
    """What a receiver has said so far; it stays when the deadline passes."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False


class Sender:
    """Keeps connections open between requests; to be used as an async context manager.

    Args:
        policy: where requests may go.
        max_connections: requests on their way at once. Waiting for one of them to end is not part of
            a request's time.
        ssl_context: which certificates are trusted; by default those of public authorities.
        look_up: gives the addresses of a name; runs in a thread.
    """

    def __init__(
        self,
        policy: TargetPolicy,
        *,
        max_connections: int = 100,
        ssl_context: ssl.SSLContext | None = None,
        look_up: Callable[[str], Sequence[str]] = system_addresses,
    ) -> None:
        self._policy = policy
        self._max_connections = max_connections
        self._free = asyncio.Semaphore(max_connections)
        self._ssl_context = ssl_context
        self._look_up = look_up
        self._checked = functools.lru_cache(4_096)(self._check)

    async def __aenter__(self) -> Self:
        self._resolver = CheckedResolver(self._policy, self._look_up)
        return self

    @functools.cached_property
    def _session(self) -> aiohttp.ClientSession:
        """Opened with the first request: to read all authorities' certificates takes a while."""
        connector = Connector(
            self._policy,
            self._resolver,
            self._ssl_context or public_certificates(),
            max_resting=self._max_connections,
        )
        return create_session(
            connector,
            headers={"User-Agent": f"Switchhook/{VERSION}", "Accept-Encoding": "identity"},
            max_head_bytes=MAX_HEAD_BYTES,
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if "_session" in vars(self):
            await self._session.close()
        await self._resolver.close()

    async def send(self, request: Outgoing) -> Answer:
        """One POST, once, without following where the answer points. Raises nothing but CancelledError."""
        async with self._free:
            started = time.perf_counter()
            attempt, heard = Attempt(is_encrypted=True), Heard()
            current_attempt.set(attempt)
            failure: Failure | None = None
            try:
                async with asyncio.timeout(request.timeout_seconds):
                    await self._exchange(request, attempt, heard)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's alone
                failure = explain(error, attempt, request)
            latency_ms = (time.perf_counter() - started) * 1000
        return _answer(heard, failure, latency_ms)

    def _check(self, url: str) -> URL:
        # As it was checked: yarl would unescape what a signed query has escaped.
        return URL(check_target(url, self._policy), encoded=True)

    async def _exchange(self, request: Outgoing, attempt: Attempt, heard: Heard) -> None:
        url = self._checked(request.url)
        attempt.is_encrypted = url.scheme == "https"
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            if not is_sendable(name, value):
                raise InvalidRequest(f"The header {name!a} must not be sent")
            if name.lower() != "accept-encoding":  # the session's holds
                headers[name] = value
        async with self._session.post(
            url, data=request.body, headers=headers, allow_redirects=False
        ) as response:
            heard.headers = bounded_headers(response.raw_headers)
            heard.status = response.status
            await _read(response, heard)


async def _read(response: aiohttp.ClientResponse, heard: Heard) -> None:
    """No more of the body than is kept, and one byte, to know whether that was all. aiohttp closes the
    connection where more was to come.
    """
    while len(heard.body) <= MAX_BODY_BYTES:
        piece = await response.content.read(MAX_BODY_BYTES + 1 - len(heard.body))
        if not piece:
            heard.is_whole = True
            return
        heard.body += piece


def _answer(heard: Heard, failure: Failure | None, latency_ms: float) -> Answer:
    if heard.status is not None:
        body = body_text(bytes(heard.body[:MAX_BODY_BYTES]), truncated=not heard.is_whole)
        retry_after = retry_after_seconds(heard.headers.get("retry-after"), datetime.now(UTC))
        return Answer(
            status=heard.status,
            headers=heard.headers,
            body=body,
            truncated=not heard.is_whole,
            retry_after_seconds=retry_after,
            latency_ms=latency_ms,
            error=None,
            message=None,
            was_attempted=True,
        )
    failure = failure or Failure("invalid_answer", "The receiver gave no status", True)
    return Answer(
        status=None,
        headers={},
        body="",
        truncated=False,
        retry_after_seconds=None,
        latency_ms=latency_ms,
        error=failure.error,
        message=failure.message,
        was_attempted=failure.was_attempted,
    )
