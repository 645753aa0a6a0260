from __future__ import annotations

import asyncio
import errno
import gzip
import logging
import socket
import threading
import time
from asyncio import StreamReader, StreamWriter

import pytest

from functions.dispatch import connecting
from functions.dispatch.answers import MAX_BODY_BYTES, MAX_HEADERS, MAX_RETRY_AFTER_SECONDS
from functions.dispatch.sender import Answer, Outgoing, Sender
from shared.targets import TargetPolicy
from tests.functions.dispatch.conftest import LOCAL, outgoing
from tests.functions.dispatch.receivers import (
    OK,
    Receiver,
    answering,
    dripping,
    hanging,
    header,
    receiving,
)

SOON = 0.3
"""Seconds until a deadline that is meant to pass."""


def assert_timed_out(answer: Answer) -> None:
    assert (answer.status, answer.error, answer.was_attempted) == (None, "timeout", True)


async def test_a_request_arrives_as_it_was_given(sender: Sender) -> None:
    async with receiving(answering()) as receiver:
        url = f"{receiver.url}/a%2Fb?sig=a%2Bb%2Fc%3D&x=%20y"
        headers = {"Content-Type": "application/json", "Webhook-Id": "msg_1", "X-Tenant": "7"}
        answer = await sender.send(Outgoing(url, headers, b'{"a":1}', 5))

    assert (answer.status, answer.body, answer.truncated) == (200, "ok", False)
    assert (answer.error, answer.message, answer.was_attempted) == (None, None, True)
    assert answer.headers == {"content-length": "2"}
    assert answer.latency_ms > 0
    (head,) = receiver.heads
    assert head.startswith(b"POST /hook/a%2Fb?sig=a%2Bb%2Fc%3D&x=%20y HTTP/1.1\r\n")
    assert {name: header(head, name) for name in headers} == headers
    assert header(head, "Host") == f"127.0.0.1:{receiver.port}"
    assert (header(head, "User-Agent") or "").startswith("Switchhook/")
    assert receiver.bodies == [b'{"a":1}']


@pytest.mark.parametrize("status", [204, 301, 400, 404, 410, 429, 500, 503, 599])
async def test_a_status_is_no_error_whichever_it_is(sender: Sender, status: int) -> None:
    said = f"HTTP/1.1 {status} Words\r\nContent-Length: 0\r\n\r\n".encode()
    async with receiving(answering(said)) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert (answer.status, answer.error, answer.body) == (status, None, "")


async def test_what_a_receiver_says_is_fit_to_be_stored(sender: Sender) -> None:
    said = b"HTTP/1.1 200 OK\r\nX-Odd: \xe9\r\nContent-Length: 4\r\n\r\n\xff\0ok"
    async with receiving(answering(said)) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert answer.body == "\ufffd\ufffdok"
    assert answer.headers["x-odd"] == "é"


# Fault 32: one total deadline.


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


# Fault 33: redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(sender: Sender, status: int) -> None:
    async with receiving(answering()) as private:
        said = f"HTTP/1.1 {status} Moved\r\nLocation: {private.url}\r\nContent-Length: 0\r\n\r\n"
        async with receiving(answering(said.encode())) as receiver:
            answer = await sender.send(outgoing(receiver.url))

    assert (answer.status, answer.error) == (status, None)
    assert answer.headers["location"] == private.url
    assert private.connections == 0


# Fault 34: huge answers.


async def test_a_huge_answer_is_cut_and_the_connection_closed(sender: Sender) -> None:
    first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with receiving(dripping(first, b"10000\r\n" + b"x" * 65_536 + b"\r\n", 0)) as receiver:
        answer = await sender.send(outgoing(receiver.url))
        await receiver.hung_up()

    assert (answer.status, answer.error, answer.truncated) == (200, None, True)
    assert answer.body == "x" * MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("size", "connections"),
    [(MAX_BODY_BYTES, 1), (MAX_BODY_BYTES + 1, 1), (MAX_BODY_BYTES + 500_000, 2)],
)
async def test_an_answer_is_cut_at_the_cap_exactly(
    sender: Sender, size: int, connections: int
) -> None:
    said = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
    async with receiving(answering(said)) as receiver:
        for _ in range(2):
            answer = await sender.send(outgoing(receiver.url))
            assert answer.body == "x" * MAX_BODY_BYTES
            assert answer.truncated == (size > MAX_BODY_BYTES)

    # Only a connection whose answer was taken whole is used again.
    assert receiver.connections == connections


async def test_a_gzip_bomb_is_kept_as_it_came(sender: Sender) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    said = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    async with receiving(answering(said.encode() + bomb)) as receiver:
        answer = await sender.send(outgoing(receiver.url, headers={"accept-encoding": "gzip"}))

    assert header(receiver.heads[0], "Accept-Encoding") == "identity"
    assert receiver.heads[0].lower().count(b"accept-encoding") == 1
    assert answer.status == 200
    assert len(answer.body) <= len(bomb)
    assert answer.body.startswith("\x1f\ufffd\x08")


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"v" * 1_000_000 + b"\r\n",
        b"".join(b"X-%d: v\r\n" % number for number in range(100_000)),
        b"Set-Cookie: a=" + b"b;" * 100_000 + b"\r\n",
    ],
)
async def test_a_huge_head_is_refused(sender: Sender, head: bytes) -> None:
    said = b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 0\r\n\r\n"
    async with receiving(answering(said)) as receiver:
        answer = await sender.send(outgoing(receiver.url))
        await receiver.hung_up()

    assert (answer.status, answer.error) == (None, "invalid_answer")
    assert len(answer.message or "") < 200


async def test_a_large_head_is_taken_and_cut(sender: Sender) -> None:
    head = b"Content-Security-Policy: " + b"v" * 20_000 + b"\r\n" + b"X-Many: v\r\n" * 500
    head += b"".join(b"X-%d: v\r\n" % number for number in range(500))
    said = b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 2\r\n\r\nok"
    async with receiving(answering(said)) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert (answer.status, answer.body) == (200, "ok")
    assert len(answer.headers) == MAX_HEADERS


# Fault 36, as far as it is read here: test_answers.py has the values.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("-5", None), ("31536000", MAX_RETRY_AFTER_SECONDS), ("soon", None)],
)
async def test_a_receiver_may_ask_for_time(
    sender: Sender, value: str, seconds: float | None
) -> None:
    said = f"HTTP/1.1 429 Slow\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    async with receiving(answering(said.encode())) as receiver:
        answer = await sender.send(outgoing(receiver.url))

    assert (answer.status, answer.retry_after_seconds) == (429, seconds)


# Fault 41: headers.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Custom", "a\r\nX-Injected: b"),
        ("X-Custom", "a\nb"),
        ("X-Custom", "a\0b"),
        ("X-Custom\r\nX-Injected", "b"),
        ("Host", "10.0.0.1"),
        ("Content-Length", "1"),
        ("transfer-encoding", "chunked"),
        ("Connection", "close"),
        ("Expect", "100-continue"),
        ("Upgrade", "websocket"),
    ],
)
async def test_a_header_that_would_change_the_request_is_not_sent(
    sender: Sender, name: str, value: str
) -> None:
    async with receiving(answering()) as receiver:
        answer = await sender.send(outgoing(receiver.url, headers={name: value}))

    assert (answer.error, answer.was_attempted) == ("target_refused", False)
    assert receiver.connections == 0


async def test_no_cookie_is_kept(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    said = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: ;;=\xff\r\n\r\n")
    async with receiving(answering(said)) as receiver:
        for _ in range(2):
            assert (await sender.send(outgoing(receiver.url))).status == 200

    assert header(receiver.heads[1], "Cookie") is None
    assert caplog.records == []


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(answering()) as proxy, receiving(answering()) as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with Sender(LOCAL) as sender:
            assert (await sender.send(outgoing(receiver.url))).status == 200

    assert (proxy.connections, receiver.connections) == (0, 1)


# Failures, each with its code.


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


async def test_a_machine_without_sockets_blames_no_receiver(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    async with receiving(answering()) as receiver:
        monkeypatch.setattr("functions.dispatch.connecting.socket.socket", full)
        answer = await sender.send(outgoing(receiver.url))
        monkeypatch.undo()

    assert (answer.error, answer.was_attempted) == ("connection_failed", False)


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


async def test_a_slow_look_up_holds_up_no_other() -> None:
    """Faster than one after the other would be: all are under way before the first has ended."""
    together = threading.Barrier(10)

    def look_up(_: str) -> list[str]:
        together.wait(5)
        return []

    async with Sender(TargetPolicy(), look_up=look_up) as sender:
        sends = [sender.send(outgoing(f"https://{n}.example.com/")) for n in range(10)]
        answers = await asyncio.gather(*sends)

    assert {answer.error for answer in answers} == {"dns_failure"}


async def test_one_look_up_serves_all_who_ask_at_once() -> None:
    asked: list[str] = []

    def look_up(host: str) -> list[str]:
        asked.append(host)
        time.sleep(0.1)
        return ["127.0.0.1"]

    async with receiving(answering()) as receiver:
        policy = TargetPolicy(frozenset({receiver.port}), LOCAL.allowed_networks)
        async with Sender(policy, look_up=look_up) as sender:
            url = f"https://hook.example.com:{receiver.port}/"
            await asyncio.gather(*[sender.send(outgoing(url, seconds=SOON)) for _ in range(10)])

    assert asked == ["hook.example.com"]
