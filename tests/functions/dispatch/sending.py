"""What tests send, where to, and under which rules."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
import trustme
import uvloop

from functions.dispatch.sender import Outgoing
from shared.targets import TargetPolicy

LOCAL = TargetPolicy.from_settings("", "127.0.0.0/8,::1/128")
NAME = "hook.example.com"

SOON = 0.3
"""Seconds until a deadline that is meant to pass."""

Run = Callable[[Coroutine[Any, Any, None]], None]
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
"""For tests of what a loop might do in a way of its own."""


def outgoing(
    url: str,
    body: bytes = b'{"event":"a.b"}',
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float = 5.0,
) -> Outgoing:
    return Outgoing(url, headers or {}, body, seconds)


def leading_to(*addresses: str) -> Callable[[str], Sequence[str]]:
    """A look-up that gives these addresses, whatever the name."""
    return lambda _: addresses


def on_port(port: int, networks: str = "") -> TargetPolicy:
    return TargetPolicy.from_settings(str(port), networks)


def certificate(
    issuer: trustme.CA,
    *names: str,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> ssl.SSLContext:
    """What a receiver of these names shows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer.issue_cert(*names, not_before=not_before, not_after=not_after).configure_cert(context)
    return context
