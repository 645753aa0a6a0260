"""The one place that makes HTTP clients, all of them over aiohttp.

The database is called by httpx with aiohttp's transport, since Supabase's client wants an httpx client.
Strangers are called by aiohttp itself, which takes a quarter of the time, and leaves URLs as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
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


def create_session(
    connector: aiohttp.BaseConnector, *, headers: Mapping[str, str], max_head_bytes: int
) -> aiohttp.ClientSession:
    """A session to call strangers by: no cookies, nothing from the environment, nothing decompressed.

    It has no timeout of its own: aiohttp's end neither a drip nor what comes ahead of an answer, so
    whoever calls puts a deadline around the whole.

    Args:
        connector: decides who is connected to; closed with the session.
        headers: sent with every request that has none of the same name.
        max_head_bytes: the longest line in an answer's head.
    """
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(),
        max_line_size=max_head_bytes,
        max_field_size=max_head_bytes,
        max_headers=max_head_bytes,
    )
