"""A sender, and a record of whatever is connected to."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from functions.dispatch.sender import Outgoing, Sender
from shared.targets import TargetPolicy

LOCAL = TargetPolicy.from_settings("", "127.0.0.0/8,::1/128")


class Connects:
    """The addresses that this process connects to, as the interpreter's audit events tell them."""

    def __init__(self) -> None:
        self.addresses: list[Any] | None = None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and self.addresses is not None:
            self.addresses.append(arguments[1])


_connects = Connects()


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """Every address that a socket of this process was told to connect to during the test."""
    _connects.addresses = []
    yield _connects.addresses
    _connects.addresses = None


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    """Sends within this machine."""
    async with Sender(LOCAL) as started:
        yield started


def outgoing(
    url: str,
    body: bytes = b'{"event":"a.b"}',
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float = 5.0,
) -> Outgoing:
    return Outgoing(url, headers or {}, body, seconds)
