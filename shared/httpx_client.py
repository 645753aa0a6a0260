"""httpx over aiohttp, for what wants an httpx client: Supabase's own, and calls to a few known services.

Apart from shared/http_client.py, so that functions which need none start without httpx.
"""

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
