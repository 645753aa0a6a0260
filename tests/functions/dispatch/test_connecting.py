"""Fault 38: where nothing is sent to."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

import pytest
from yarl import URL

from functions.dispatch.connecting import MAX_ADDRESSES, CheckedResolver
from functions.dispatch.sender import Sender
from shared.targets import TargetPolicy
from tests.functions.dispatch.receivers import OK, answering, receiving
from tests.functions.dispatch.sending import LOCAL, LOOPS, NAME, Run, leading_to, on_port, outgoing
from tests.shared.test_targets import PRIVATE


def unchecked(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets every URL pass, so that only the check of the address is left."""
    monkeypatch.setattr(sender, "_checked", lambda url: URL(url, encoded=True))


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_to_an_inner_address_is_refused(
    address: str, connects: list[Any]
) -> None:
    async with Sender(TargetPolicy(), look_up=leading_to(address)) as sender:
        answer = await sender.send(outgoing(f"https://{NAME}/"))

    assert (answer.error, answer.was_attempted) == ("target_refused", False)
    assert answer.message == "The URL must lead to a public address"
    assert connects == []


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_inner_address_that_passed_for_a_url_gets_no_packet(
    address: str, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = f"[{address}]" if ":" in address else address
    async with Sender(TargetPolicy()) as sender:
        unchecked(sender, monkeypatch)
        answers = [await sender.send(outgoing(f"{scheme}://{host}/")) for scheme in SCHEMES]

    assert {(answer.error, answer.was_attempted) for answer in answers} == REFUSED
    assert connects == []


SCHEMES = ("http", "https")
REFUSED = {("target_refused", False)}


@pytest.mark.parametrize("address", ["127.0.0.1", str(IPv4Address(0))])
async def test_a_listener_on_this_machine_sees_no_connection(address: str) -> None:
    async with receiving(answering()) as inner:
        _, writer = await asyncio.open_connection(address, inner.port)
        writer.close()
        await inner.hung_up()
        assert inner.connections == 1  # so it would see a packet

        async with Sender(on_port(inner.port), look_up=leading_to(address)) as sender:
            answer = await sender.send(outgoing(f"https://{NAME}:{inner.port}/"))
        await asyncio.sleep(0.02)

    assert answer.error == "target_refused"
    assert inner.connections == 1


@pytest.mark.parametrize(
    "host",
    [
        *["2130706433", "127.1", "0177.0.0.1", "0x7f000001", "127.0.0.1.", "localhost"],
        *["user@127.0.0.1", "127.0.0.1%00.example.com", "\uff11\uff12\uff17.0.0.1"],
    ],
)
async def test_a_host_in_disguise_gets_no_packet(
    host: str, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sender(TargetPolicy(), look_up=leading_to("127.0.0.1")) as sender:
        by_url = await sender.send(outgoing(f"https://{host}/"))
        unchecked(sender, monkeypatch)
        by_address = await sender.send(outgoing(f"https://{host}/"))

    assert {(answer.error, answer.was_attempted) for answer in (by_url, by_address)} == REFUSED
    assert connects == []


async def test_a_url_that_could_not_be_saved_is_not_called_either(sender: Sender) -> None:
    async with receiving(answering()) as receiver:
        url = receiver.url.replace("//", "//user:word@")
        answer = await sender.send(outgoing(url))

    assert (answer.error, answer.was_attempted) == ("target_refused", False)
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1", "10.0.0.7"),
        ("10.0.0.7", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("127.0.0.1", "::1"),
        ("127.0.0.1",) * 20 + ("169.254.169.254",),
    ],
)
async def test_one_bad_address_among_several_refuses_the_name(
    addresses: Sequence[str], connects: list[Any]
) -> None:
    async with receiving(answering()) as receiver:
        policy = on_port(receiver.port, "127.0.0.1/32")
        async with Sender(policy, look_up=leading_to(*addresses)) as sender:
            answer = await sender.send(outgoing(f"https://{NAME}:{receiver.port}/"))

    assert (answer.error, answer.was_attempted) == ("target_refused", False)
    assert (connects, receiver.connections) == ([], 0)


async def test_a_name_that_is_rebound_is_refused_from_then_on(
    trusted: ssl.SSLContext, certified: ssl.SSLContext, connects: list[Any]
) -> None:
    led_to = [["127.0.0.1"], ["127.0.0.1"], ["169.254.169.254"]]
    once = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with receiving(answering(once), ssl_context=certified) as receiver:
        policy = on_port(receiver.port, "127.0.0.1/32")
        async with Sender(policy, ssl_context=trusted, look_up=lambda _: led_to.pop(0)) as sender:
            url = f"https://{NAME}:{receiver.port}/"
            answers = [await sender.send(outgoing(url)) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, None]
    assert answers[2].error == "target_refused"
    assert connects == [("127.0.0.1", receiver.port)] * 2


@LOOPS
@pytest.mark.parametrize("count", [1, 3])
def test_an_address_is_checked_when_its_socket_is_made_too(
    run: Run, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the name were rebound between the look-up's check and the connection."""

    async def resolve(_: object, host: str, port: int, family: int) -> list[dict[str, Any]]:
        address = {"hostname": host, "port": port, "family": family, "proto": 0, "flags": 0}
        return [{**address, "host": "127.0.0.1"}] * count

    monkeypatch.setattr(CheckedResolver, "resolve", resolve)

    async def send() -> None:
        async with receiving(answering()) as inner, Sender(on_port(inner.port)) as sender:
            answer = await sender.send(outgoing(f"https://{NAME}:{inner.port}/"))
            await asyncio.sleep(0.02)

            assert (answer.error, answer.was_attempted) == ("target_refused", False)
            assert inner.connections == 0

    run(send())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://8.8.8.8/", "https"),
        ("https://8.8.8.8:8443/", "port"),
    ],
)
async def test_a_public_address_takes_only_https_on_allowed_ports(
    url: str, words: str, connects: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sender(LOCAL) as sender:
        unchecked(sender, monkeypatch)
        answer = await sender.send(outgoing(url))

    assert (answer.error, answer.was_attempted) == ("target_refused", False)
    assert words in (answer.message or "")
    assert connects == []


async def test_localhost_that_leads_elsewhere_takes_no_http(connects: list[Any]) -> None:
    async with Sender(LOCAL, look_up=leading_to("8.8.8.8", "8.8.4.4")) as sender:
        answer = await sender.send(outgoing("http://localhost:443/"))

    assert (answer.error, connects) == ("target_refused", [])


async def test_localhost_is_looked_up_by_the_system() -> None:
    async with receiving(answering()) as receiver, Sender(LOCAL) as sender:
        answer = await sender.send(outgoing(f"http://localhost:{receiver.port}/"))

    assert answer.status == 200


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
        pass
    policy = TargetPolicy(frozenset({receiver.port}), LOCAL.allowed_networks)
    async with Sender(policy, look_up=look_up) as sender:
        url = f"https://hook.example.com:{receiver.port}/"
        answers = await asyncio.gather(*[sender.send(outgoing(url)) for _ in range(10)])

    assert asked == ["hook.example.com"]
    assert {answer.error for answer in answers} == {"connection_failed"}


async def test_a_name_with_many_addresses_is_tried_at_a_few(connects: list[Any]) -> None:
    async with receiving(answering()) as receiver:
        pass
    many = [f"127.0.0.{number}" for number in range(1, 100)]
    policy = on_port(receiver.port, "127.0.0.0/8")
    async with Sender(policy, look_up=leading_to(*many)) as sender:
        answer = await sender.send(outgoing(f"https://{NAME}:{receiver.port}/"))

    assert answer.error == "connection_failed"
    assert len(set(connects)) == MAX_ADDRESSES
