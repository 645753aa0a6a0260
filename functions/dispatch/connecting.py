"""Connections to receivers, which are strangers: who is connected to, and how much they may say.

Every address is checked twice, and never apart from being used: all that a name leads to, where one bad
address refuses the name; and the one about to be connected to, just before its socket is made.
"""

from __future__ import annotations

import asyncio
import functools
import select
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace

from shared.errors import InvalidRequest
from shared.targets import TargetPolicy

MAX_HEAD_BYTES = 65_536
"""Of all that comes ahead of an answer's body, interim answers among it."""

KEEP_ALIVE_SECONDS = 4.0
"""Shorter than receivers' own, which is five in Node and uvicorn, so that it is we who hang up."""

LOOK_UP_THREADS = 32
MAX_ADDRESSES = 4
"""Of one name, to be tried one after the other."""

_SLICE = 4_096


@dataclass(slots=True)
class Attempt:
    """One request on its way."""

    is_encrypted: bool
    was_attempted: bool = False
    refusal: InvalidRequest | None = None


current_attempt: ContextVar[Attempt] = ContextVar("current_attempt")


def system_addresses(host: str) -> list[str]:
    """Every address of a name, as this machine knows it. Blocks."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class CheckedResolver(AbstractResolver):
    """Looks names up in threads of its own: uvloop has four for everybody, which a few slow names would
    hold while every other receiver waits.
    """

    def __init__(self, policy: TargetPolicy, look_up: Callable[[str], Sequence[str]]) -> None:
        self._policy = policy
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="look-up")

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - both are wanted
    ) -> list[ResolveResult]:
        """Raises InvalidRequest if any address is refused, OSError if there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._look_up, host)
        addresses = [ip_address(address) for address in dict.fromkeys(found)]
        if not addresses:
            raise OSError("The name has no address")
        for address in addresses:
            # Whether the request is encrypted is asked where the socket is made: look-ups are shared.
            self._policy.check_address(address, port, is_encrypted=True)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses[:MAX_ADDRESSES]
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def checked_socket(policy: TargetPolicy, addr_info: AddrInfoType) -> socket.socket:
    """A socket for an address, unless the policy refuses it. Nothing has been sent there before."""
    family, kind, protocol, _, address = addr_info
    attempt = current_attempt.get()
    try:
        host, port = ip_address(address[0]), address[1]
        policy.check_address(host, port, is_encrypted=attempt.is_encrypted)
    except InvalidRequest as refusal:
        # aiohttp loses the exception where it tries several addresses.
        attempt.refusal = refusal
        raise
    made = socket.socket(family, kind, protocol)
    attempt.was_attempted = True
    return made


class BoundedReceiver(ResponseHandler):
    """A connection on which a receiver can say only so much ahead of an answer's body, and nothing
    unless it was asked.
    """

    is_resting = False
    _room = MAX_HEAD_BYTES
    _has_head = False

    def set_response_params(self, **params: Any) -> None:
        """A request is about to be written."""
        self._room, self._has_head = MAX_HEAD_BYTES, False
        super().set_response_params(**params)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """A head was parsed."""
        self._has_head = data[0].code >= 200 or data[0].code == 101
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        if data and self.is_resting:
            self.abort()
            return
        at = 0
        while at < len(data) and self._awaits_head():
            # In slices, since all of a piece is parsed before anything can be refused.
            piece = data[at : at + _SLICE]
            at += len(piece)
            self._room -= len(piece)
            super().data_received(piece)
            if self._room <= 0 and self._awaits_head():
                self._refuse_head()
        # Nothing at all is how aiohttp itself asks to go on with what it holds.
        if (at < len(data) or not data) and self.exception() is None:
            super().data_received(data[at:])

    def _awaits_head(self) -> bool:
        return not self._has_head and self.exception() is None

    def _refuse_head(self) -> None:
        self.set_exception(HttpProcessingError(message="The answer's head is too large"))
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """At once. A graceful end would wait until the receiver has taken what is left to send, or has
        said goodbye, and one that does neither would keep the socket for ever.
        """
        self.abort()

    def has_said_anything(self) -> bool:
        """Whether something lies in the socket, be it only that the receiver has hung up."""
        found = None if self.transport is None else self.transport.get_extra_info("socket")
        if found is None or found.fileno() < 0:
            return True
        if sys.platform == "win32":
            return bool(select.select([found.fileno()], [], [], 0)[0])
        poll = select.poll()
        poll.register(found.fileno(), select.POLLIN)
        return bool(poll.poll(0))


class Connector(aiohttp.TCPConnector):
    """Connects to what the policy allows, and keeps connections open for a short while."""

    def __init__(
        self,
        policy: TargetPolicy,
        resolver: AbstractResolver,
        ssl_context: ssl.SSLContext,
        *,
        max_resting: int,
    ) -> None:
        super().__init__(
            ssl=ssl_context,
            resolver=resolver,
            ttl_dns_cache=0,  # only requests that ask at the same time share a look-up
            limit=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            socket_factory=functools.partial(checked_socket, policy),
        )
        self._factory = cast(
            functools.partial[ResponseHandler], functools.partial(BoundedReceiver, loop=self._loop)
        )
        self._max_resting = max_resting
        self._resting: dict[ResponseHandler, None] = {}  # those at rest for longest come first

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        """A connection on which nothing has been said yet. One that was closed while it rested, even if
        the loop hasn't come round to seeing it, is not taken: a POST on it would fail, and couldn't be
        repeated without asking whether it had been received.
        """
        while True:
            connection = await super().connect(req, traces, timeout)
            receiver = connection.protocol
            if not isinstance(receiver, BoundedReceiver):
                raise TypeError("aiohttp no longer makes connections by its connector's factory")
            self._resting.pop(receiver, None)
            if receiver.is_resting and receiver.has_said_anything():
                connection.close()
                continue
            receiver.is_resting = False
            connection.add_callback(functools.partial(self._rest, receiver))
            current_attempt.get().was_attempted = True
            return connection

    def _rest(self, receiver: BoundedReceiver) -> None:
        """The connection goes back to those that wait for a request, or is closed."""
        receiver.is_resting = True
        self._resting[receiver] = None
        if len(self._resting) > self._max_resting:
            longest = next(iter(self._resting))
            del self._resting[longest]
            longest.close()
