"""Receivers on ports of their own that write down who connects to them and what comes in."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behave = Callable[["Receiver", StreamReader, StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """What a receiver has seen."""

    port: int = 0
    connections: int = 0
    closed: int = 0
    """Connections on which the behaviour came to its end, mostly since the sender hung up."""
    received: bytearray = field(default_factory=bytearray)
    """Everything, decrypted."""
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def take(self, reader: StreamReader) -> None:
        """Reads one request. Raises IncompleteReadError where the sender hung up before its end."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.received += head
        length = int(header(head, "content-length") or 0)
        body = await reader.readexactly(length)
        self.received += body
        self.heads.append(head)
        self.bodies.append(body)
        self.taken.set()

    async def hung_up(self, times: int = 1) -> None:
        """Waits until so many connections have come to their end."""
        while self.closed < times:
            self.ended.clear()
            await self.ended.wait()


def header(head: bytes, name: str) -> str | None:
    """A header's value out of a request's head."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.lower() == name.lower():
            return value.strip()
    return None


def answering(answer: bytes = OK, *, keep_alive: bool = True) -> Behave:
    """Takes requests, and gives the same answer to each."""

    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        while True:
            await receiver.take(reader)
            writer.write(answer)
            await writer.drain()
            if not keep_alive:
                return

    return behave


def dripping(first: bytes, drip: bytes, every: float = 0.02) -> Behave:
    """Takes a request, says something, and then something more for ever."""

    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        await receiver.take(reader)
        writer.write(first)
        while True:
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(every)

    return behave


async def hanging(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
    """Takes a request and says nothing."""
    await receiver.take(reader)
    await reader.read()


@asynccontextmanager
async def receiving(
    behave: Behave, *, ssl_context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """A receiver that behaves like that on each connection."""
    receiver = Receiver()

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        receiver.connections += 1
        try:
            await behave(receiver, reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            receiver.closed += 1
            receiver.ended.set()
            writer.close()

    server = await asyncio.start_server(connected, host, 0, ssl=ssl_context)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
