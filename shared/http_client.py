"""What the database and strangers are called by: aiohttp, which takes a quarter of the time that httpx takes, and
leaves URLs as they are.

For what wants an httpx client there is shared/httpx_client.py.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

import aiohttp
import certifi

MAX_CONNECTIONS = 100
KEEPALIVE_SECONDS = 30


def public_certificates(*, trust_environment: bool = False) -> ssl.SSLContext:
    """Trusts public authorities; on demand those that SSL_CERT_FILE or SSL_CERT_DIR names instead."""
    if trust_environment and (file := os.environ.get("SSL_CERT_FILE")):
        return ssl.create_default_context(cafile=file)
    if trust_environment and (folder := os.environ.get("SSL_CERT_DIR")):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())


def create_database_session(url: str, *, timeout_seconds: float) -> aiohttp.ClientSession:
    """A session that keeps connections to the database's API open.

    The timeout holds for each phase (connect, each read), not for a request as a whole.
    """
    is_encrypted = url.lower().startswith("https:")
    connector = aiohttp.TCPConnector(
        limit=MAX_CONNECTIONS,
        keepalive_timeout=KEEPALIVE_SECONDS,
        ssl=public_certificates(trust_environment=True) if is_encrypted else True,
    )
    phase = timeout_seconds
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(connect=phase, sock_connect=phase, sock_read=phase),
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
