from __future__ import annotations

import asyncio
import errno
import logging
import socket
from asyncio import StreamReader, StreamWriter

import pytest

from functions.dispatch import connecting
from functions.dispatch.sender import Sender
from tests.functions.dispatch.receivers import (
    Receiver,
    answering,
    receiving,
)
from tests.functions.dispatch.sending import LOCAL, outgoing


async def test_a_name_without_an_address_is_a_dns_failure() -> None:
    def look_up(host: str) -> list[str]:
        if host == "none.example.com":
            return []
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with Sender(LOCAL, look_up=look_up) as sender:
        for host in ("none.example.com", "unknown.example.com"):
            answer = await sender.send(outgoing(f"https://{host}/"))
            assert (answer.error, answer.was_attempted) == ("dns_failure", False)


async def test_a_closed_port_is_a_failure_to_connect(sender: Sender) -> None:
    async with receiving(answering()) as receiver:
        pass
    answer = await sender.send(outgoing(receiver.url))

    assert (answer.error, answer.was_attempted) == ("connection_failed", True)
    assert "refused" in (answer.message or "")


class NoneLeft(socket.socket):
    """As if every file descriptor were taken."""

    def __init__(self, *_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")


class NoPortLeft(socket.socket):
    """As if every local port were taken."""

    def connect(self, *_: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")


@pytest.mark.parametrize("kind", [NoneLeft, NoPortLeft])
async def test_a_machine_without_sockets_blames_no_receiver(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, kind: type[socket.socket]
) -> None:
    async with receiving(answering()) as receiver:
        monkeypatch.setattr("functions.dispatch.connecting.socket.socket", kind)
        answer = await sender.send(outgoing(receiver.url))
        monkeypatch.undo()

    assert (answer.error, answer.was_attempted) == ("connection_failed", False)
    assert answer.message == "This machine has no connection free"


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_a_receiver_that_hangs_up_is_asked_once(sender: Sender, first: bytes) -> None:
    async with receiving(answering(first, keep_alive=False)) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert (answer.error, answer.was_attempted) == ("connection_closed", True)
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        b"\0" * 100,
    ],
)
async def test_what_is_not_http_is_an_invalid_answer(
    sender: Sender, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with receiving(answering(said)) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert (answer.error, answer.was_attempted) == ("invalid_answer", True)
    assert "mail" not in (answer.message or "")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_body_that_breaks_off_leaves_what_came(sender: Sender) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst"
    async with receiving(answering(said, keep_alive=False)) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert (answer.status, answer.error, answer.truncated) == (200, None, True)
    assert answer.body == "first"


async def test_an_answer_ahead_of_the_requests_end_is_the_answer(sender: Sender) -> None:
    async def behave(_: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await reader.read(1)
        await asyncio.sleep(10)

    async with receiving(behave) as receiver:
        answer = await sender.send(outgoing(receiver.url, bytes(30_000_000)))

    assert (answer.status, answer.error) == (413, None)


async def test_whatever_goes_wrong_it_is_an_answer(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(connecting.Connector, "_create_direct_connection", broken)
    async with receiving(answering()) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert (answer.error, answer.was_attempted) == ("connection_failed", False)
    assert "surprise" not in (answer.message or "")
    assert len(caplog.records) == 1
