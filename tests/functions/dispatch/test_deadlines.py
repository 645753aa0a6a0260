"""Fault 32: one deadline for everything that a receiver may take its time with."""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter

import pytest

from functions.dispatch.sender import Answer, Sender
from tests.functions.dispatch.receivers import (
    OK,
    Receiver,
    answering,
    dripping,
    hanging,
    receiving,
)
from tests.functions.dispatch.sending import LOCAL, SOON, outgoing


def assert_timed_out(answer: Answer) -> None:
    assert (answer.status, answer.error, answer.was_attempted) == (None, "timeout", True)


async def test_a_receiver_that_hangs_ends_at_the_deadline(sender: Sender) -> None:
    async with receiving(hanging) as receiver:
        assert_timed_out(await sender.send(outgoing(receiver.url, seconds=SOON)))
        await receiver.hung_up()


async def test_a_receiver_that_never_reads_ends_at_the_deadline(sender: Sender) -> None:
    released = asyncio.Event()

    async def behave(receiver: Receiver, reader: StreamReader, _: StreamWriter) -> None:
        await released.wait()
        await receiver.take(reader)

    body = bytes(30_000_000)
    async with receiving(behave) as receiver:
        assert_timed_out(await sender.send(outgoing(receiver.url, body, seconds=SOON)))
        released.set()
        await receiver.hung_up()

    # What was left to send was dropped with the connection, rather than kept until it is taken.
    assert receiver.bodies == []


async def test_headers_that_drip_end_at_the_deadline(sender: Sender) -> None:
    async with receiving(dripping(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n")) as receiver:
        assert_timed_out(await sender.send(outgoing(receiver.url, seconds=SOON)))
        await receiver.hung_up()


async def test_one_header_that_drips_ends_at_the_deadline(sender: Sender) -> None:
    async with receiving(dripping(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"1")) as receiver:
        assert_timed_out(await sender.send(outgoing(receiver.url, seconds=SOON)))
        await receiver.hung_up()


@pytest.mark.parametrize(
    ("framing", "drip"),
    [(b"Content-Length: 99999", b"x"), (b"Transfer-Encoding: chunked", b"1\r\nx\r\n")],
)
async def test_a_body_that_drips_is_cut_at_the_deadline(
    sender: Sender, framing: bytes, drip: bytes
) -> None:
    first = b"HTTP/1.1 202 Accepted\r\n" + framing + b"\r\n\r\n"
    async with receiving(dripping(first, drip)) as receiver:
        answer = await sender.send(outgoing(receiver.url, seconds=SOON))
        await receiver.hung_up()

    assert (answer.status, answer.error, answer.truncated) == (202, None, True)
    assert set(answer.body) == {"x"}


async def test_endless_103s_that_drip_end_at_the_deadline(sender: Sender) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with receiving(dripping(b"", hint, every=0.05)) as receiver:
        assert_timed_out(await sender.send(outgoing(receiver.url, seconds=SOON)))
        await receiver.hung_up()


async def test_a_flood_of_103s_is_refused_long_before_the_deadline(sender: Sender) -> None:
    flood = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000
    async with receiving(dripping(b"", flood, every=0)) as receiver:
        answer = await sender.send(outgoing(receiver.url, seconds=60))
        await receiver.hung_up()

    assert (answer.status, answer.error) == (None, "invalid_answer")


async def test_an_answer_after_some_103s_is_the_answer(sender: Sender) -> None:
    async with receiving(answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + OK)) as receiver:
        answers = [await sender.send(outgoing(receiver.url)) for _ in range(10)]

    assert [answer.body for answer in answers] == ["ok"] * 10
    assert receiver.connections == 1


async def test_a_name_that_takes_too_long_to_look_up_ends_at_the_deadline() -> None:
    looked_up = threading.Event()

    def look_up(_: str) -> list[str]:
        looked_up.wait(10)
        return ["127.0.0.1"]

    async with Sender(LOCAL, look_up=look_up) as sender:
        answer = await sender.send(outgoing("https://hook.example.com/", seconds=SOON))
        looked_up.set()

    assert (answer.error, answer.was_attempted) == ("timeout", False)
    assert "name" in (answer.message or "")


async def test_waiting_for_other_receivers_is_not_part_of_a_requests_time() -> None:
    released = asyncio.Event()

    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        await receiver.take(reader)
        await released.wait()
        writer.write(OK)

    async with (
        Sender(LOCAL, max_connections=1) as sender,
        receiving(behave) as slow,
        receiving(answering()) as quick,
    ):
        first = asyncio.create_task(sender.send(outgoing(slow.url)))
        second = asyncio.create_task(sender.send(outgoing(quick.url, seconds=SOON)))
        await asyncio.sleep(SOON * 2)
        assert quick.connections == 0
        released.set()

        assert [(await first).status, (await second).status] == [200, 200]


async def test_a_cancelled_request_ends_and_hangs_up(sender: Sender) -> None:
    async with receiving(hanging) as receiver:
        task = asyncio.create_task(sender.send(outgoing(receiver.url)))
        await receiver.taken.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await receiver.hung_up()
