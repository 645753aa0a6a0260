from __future__ import annotations

import gzip

import pytest

from functions.dispatch.answers import MAX_BODY_BYTES, MAX_HEADERS, MAX_RETRY_AFTER_SECONDS
from functions.dispatch.sender import Outgoing, Sender
from tests.functions.dispatch.receivers import (
    OK,
    answering,
    dripping,
    header,
    receiving,
)
from tests.functions.dispatch.sending import LOCAL, outgoing


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
        b"".join(b"X-%d: " % number + b"v" * 30_000 + b"\r\n" for number in range(4)),
        b"".join(b"X-%d: " % number + b"v" * 5_000 + b"\r\n" for number in range(100)),
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
    said = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: a b=c\r\n\r\n")
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
