"""Connections that are kept between requests, and what becomes of them at rest."""

from __future__ import annotations

import asyncio
import socket
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from functions.dispatch.sender import Sender
from tests.functions.dispatch.receivers import OK, Receiver, answering, receiving
from tests.functions.dispatch.sending import LOCAL, LOOPS, Run, outgoing


async def test_requests_to_one_receiver_share_a_connection(sender: Sender) -> None:
    async with receiving(answering()) as receiver:
        for _ in range(5):
            assert (await sender.send(outgoing(receiver.url))).status == 200

    assert (receiver.connections, len(receiver.bodies)) == (1, 5)


@contextmanager
def hanging_up_after_each() -> Iterator[tuple[int, list[bytes]]]:
    """A receiver in a thread, which promises to keep its connections and closes them: so that it can
    while the test's loop isn't looking. Gives its port, and what came on each connection.
    """
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    came.append(connection.recv(65_536))
                    connection.sendall(OK)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@LOOPS
def test_a_connection_that_was_closed_unseen_is_not_used(run: Run) -> None:
    with hanging_up_after_each() as (port, came):

        async def send() -> None:
            async with Sender(LOCAL) as sender:
                for _ in range(5):
                    answer = await sender.send(outgoing(f"http://127.0.0.1:{port}/"))
                    assert (answer.status, answer.error) == (200, None)
                    time.sleep(0.05)  # noqa: ASYNC251 - the loop must not see what happens now

        run(send())

    assert len(came) == 5


async def test_a_request_that_was_written_is_not_written_again(sender: Sender) -> None:
    """Whether the receiver has seen it, nobody knows: it counts as an attempt."""

    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        await receiver.take(reader)
        writer.write(OK)
        await receiver.take(reader)

    async with receiving(behave) as receiver:
        answers = [await sender.send(outgoing(receiver.url, b"%d" % n)) for n in range(2)]

    assert [answer.error for answer in answers] == [None, "connection_closed"]
    assert answers[1].was_attempted
    assert receiver.bodies == [b"0", b"1"]


@pytest.mark.parametrize("after", [0.0, 0.05])
async def test_what_is_said_unasked_answers_no_request(sender: Sender, after: float) -> None:
    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        await receiver.take(reader)
        writer.write(OK)
        await asyncio.sleep(after)
        writer.write(b"HTTP/1.1 500 Unasked\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with receiving(behave) as receiver:
        for _ in range(3):
            assert (await sender.send(outgoing(receiver.url))).status == 200
            await asyncio.sleep(after * 2)

    assert receiver.connections == 3


async def test_a_receiver_that_goes_on_unasked_is_hung_up_on(sender: Sender) -> None:
    said = 0

    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal said
        await receiver.take(reader)
        writer.write(OK)
        while True:
            await asyncio.sleep(0.01)
            writer.write(OK * 1000)
            await writer.drain()
            said += 1

    async with receiving(behave) as receiver:
        assert (await sender.send(outgoing(receiver.url))).status == 200
        await receiver.hung_up()

    # Otherwise it would go on for as long as the connection may rest, hundreds of times.
    assert said < 50


async def test_no_more_connections_rest_than_may_be_used_at_once() -> None:
    receivers = [receiving(answering()) for _ in range(4)]
    async with Sender(LOCAL, max_connections=2) as sender:
        started = [await receiver.__aenter__() for receiver in receivers]
        for receiver in started:
            assert (await sender.send(outgoing(receiver.url))).status == 200
        await started[0].hung_up()
        await started[1].hung_up()

        assert [receiver.closed for receiver in started] == [1, 1, 0, 0]
        assert (await sender.send(outgoing(started[3].url))).status == 200
        assert started[3].connections == 1
    for manager in receivers:
        await manager.__aexit__(None, None, None)


async def test_a_sender_that_is_closed_hangs_up() -> None:
    async with receiving(answering()) as receiver:
        async with Sender(LOCAL) as sender:
            assert (await sender.send(outgoing(receiver.url))).status == 200
        await receiver.hung_up()


async def test_a_connection_that_is_used_again_is_no_longer_at_rest() -> None:
    released = asyncio.Event()

    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        await receiver.take(reader)
        writer.write(OK)
        await receiver.take(reader)
        await released.wait()
        writer.write(OK)

    async with (
        receiving(behave) as first,
        receiving(answering()) as second,
        receiving(answering()) as third,
        Sender(LOCAL, max_connections=2) as sender,
    ):
        for receiver in (first, second):
            await sender.send(outgoing(receiver.url))
        again = asyncio.create_task(sender.send(outgoing(first.url)))
        while len(first.bodies) < 2:
            first.taken.clear()
            await first.taken.wait()
        await sender.send(outgoing(third.url))
        released.set()

        assert ((await again).status, first.connections) == (200, 1)
