"""A sender, an authority for its receivers, and a record of whatever is connected to."""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trustme

from functions.dispatch.sender import Sender
from tests.functions.dispatch.sending import LOCAL, NAME, certificate


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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA) -> ssl.SSLContext:
    """Trusts the authority as a sender would a public one."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def certified(authority: trustme.CA) -> ssl.SSLContext:
    return certificate(authority, NAME)
