"""Fault 37: who a receiver must prove to be before it gets anything."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from functions.dispatch.sender import Sender
from tests.functions.dispatch.receivers import Receiver, answering, hanging, receiving
from tests.functions.dispatch.sending import (
    LOCAL,
    LOOPS,
    NAME,
    Run,
    certificate,
    leading_to,
    on_port,
    outgoing,
)


async def send_encrypted(receiver: Receiver, trusted: ssl.SSLContext | None) -> Any:
    policy = on_port(receiver.port, "127.0.0.0/8")
    async with Sender(policy, ssl_context=trusted, look_up=leading_to("127.0.0.1")) as sender:
        return await sender.send(outgoing(f"https://{NAME}:{receiver.port}/", b"a secret"))


async def test_a_certificate_of_the_host_is_accepted(
    trusted: ssl.SSLContext, certified: ssl.SSLContext
) -> None:
    async with receiving(answering(), ssl_context=certified) as receiver:
        answer = await send_encrypted(receiver, trusted)

    assert (answer.status, answer.error) == (200, None)
    assert receiver.bodies == [b"a secret"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "expired"),
        ("not yet valid", "not yet valid"),
        ("of another host", "ismatch"),
        ("of nobody known", "local issuer|self-signed|self signed"),
    ],
)
async def test_a_certificate_that_is_not_valid_gets_no_body(
    authority: trustme.CA, trusted: ssl.SSLContext, kind: str, words: str
) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    context = {
        "expired": lambda: certificate(authority, NAME, not_after=now - day),
        "not yet valid": lambda: certificate(authority, NAME, not_before=now + day),
        "of another host": lambda: certificate(
            authority, "other.example.com", "*.hook.example.com"
        ),
        "of nobody known": lambda: certificate(trustme.CA(), NAME),
    }[kind]()
    async with receiving(answering(), ssl_context=context) as receiver:
        answer = await send_encrypted(receiver, trusted)
        await asyncio.sleep(0.02)

    assert (answer.status, answer.error, answer.was_attempted) == (None, "tls_failed", True)
    assert_matches(words, answer.message)
    assert receiver.received == b""


def assert_matches(words: str, message: str | None) -> None:
    assert any(word in (message or "") for word in words.split("|")), message


async def test_only_public_authorities_are_trusted_by_default(certified: ssl.SSLContext) -> None:
    async with receiving(answering(), ssl_context=certified) as receiver:
        answer = await send_encrypted(receiver, None)

    assert answer.error == "tls_failed"
    assert receiver.received == b""


async def test_old_tls_is_refused(trusted: ssl.SSLContext, certified: ssl.SSLContext) -> None:
    certified.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        certified.minimum_version = certified.maximum_version = ssl.TLSVersion.TLSv1_1
    async with receiving(answering(), ssl_context=certified) as receiver:
        answer = await send_encrypted(receiver, trusted)

    assert answer.error == "tls_failed"
    assert receiver.received == b""


async def test_a_receiver_without_tls_gets_no_body(trusted: ssl.SSLContext) -> None:
    async def behave(receiver: Receiver, reader: StreamReader, writer: StreamWriter) -> None:
        receiver.received += await reader.read(1_000_000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with receiving(behave) as receiver:
        answer = await send_encrypted(receiver, trusted)

    assert answer.error == "tls_failed"
    assert b"a secret" not in receiver.received


async def test_a_receiver_that_hangs_up_during_the_handshake_gets_no_body(
    trusted: ssl.SSLContext,
) -> None:
    async def behave(receiver: Receiver, reader: StreamReader, _: StreamWriter) -> None:
        receiver.received += await reader.read(1_000_000)

    async with receiving(behave) as receiver:
        answer = await send_encrypted(receiver, trusted)

    assert (answer.error, answer.was_attempted) == ("tls_failed", True)
    assert b"a secret" not in receiver.received


@LOOPS
def test_a_handshake_that_hangs_ends_at_the_deadline(run: Run) -> None:
    async def send() -> None:
        async with receiving(hanging) as receiver, Sender(LOCAL) as sender:
            url = f"https://127.0.0.1:{receiver.port}/"
            answer = await sender.send(outgoing(url, seconds=0.2))
            await receiver.hung_up()

        assert (answer.error, answer.was_attempted) == ("timeout", True)

    run(send())
