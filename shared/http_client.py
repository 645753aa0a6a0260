"""The one place that makes HTTP clients: httpx over aiohttp's transport, which is several times as fast."""

from __future__ import annotations

import httpx
from httpx_aiohttp import AiohttpTransport


def create_client(*, timeout_seconds: float, max_connections: int = 100) -> httpx.AsyncClient:
    """A client that keeps connections open and follows no redirects.

    The timeout holds for each phase (connect, each read), not for a request as a whole.
    """
    limits = httpx.Limits(max_connections=max_connections, keepalive_expiry=30)
    return httpx.AsyncClient(
        transport=AiohttpTransport(limits=limits), timeout=httpx.Timeout(timeout_seconds)
    )
