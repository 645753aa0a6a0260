"""What we send is accepted by receivers written as the guides show, whatever an event holds.

Some check the bytes as they came. Those that check what they parsed and printed again need a body in
their language's own style.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import httpx
import pytest
from hypothesis import given, settings

import node
from functions.dispatch.envelope import BodyStyle, serialise
from functions.dispatch.json_text import compact
from shared.profiles import Attempt, ProfileName, Signing, generate_secret, sign, standard_secret
from tests.acceptance.receivers import flask_app, serving
from tests.json_values import json_values

SECRET = generate_secret()
EVENT = "message.created"
SAMPLE = {
    "id": "60d21b4667d0d8992e610c86",
    "sender": {"id": "user123", "type": "user"},
    "content": {"type": "text", "text": "Hello, I need help with my account."},
}
BOTH: tuple[BodyStyle, ...] = ("compact", "spaced")


@dataclass(frozen=True)
class Receiver:
    """One way to check a delivery, and the bodies it can check."""

    path: str
    profile: ProfileName
    styles: tuple[BodyStyle, ...] = BOTH


PRINTING_AGAIN = [
    Receiver("/express/chatbots", "chatbots", ("compact",)),
    Receiver("/express/whatscrm", "whatscrm", ("compact",)),
    Receiver("/flask/chatbots", "chatbots", ("spaced",)),
    Receiver("/flask/whatscrm", "whatscrm", ("spaced",)),
]
RAW = [
    Receiver("/express/autoresponder", "autoresponder"),
    Receiver("/flask/autoresponder", "autoresponder"),
    Receiver("/php/chatbots", "chatbots"),
]
LIBRARIES = [
    Receiver("/npm/standardwebhooks", "standard"),
    Receiver("/npm/svix", "standard"),
    Receiver("/pypi/standardwebhooks", "standard"),
    Receiver("/pypi/svix", "standard"),
]
RECEIVERS = [*PRINTING_AGAIN, *RAW, *LIBRARIES]
CASES = [(receiver, style) for receiver in RECEIVERS for style in receiver.styles]

by_receiver = pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda receiver: receiver.path)
by_case = pytest.mark.parametrize(
    ("receiver", "style"), CASES, ids=[f"{receiver.path}-{style}" for receiver, style in CASES]
)
many = settings(max_examples=200, deadline=None)

Accepts = Callable[[Receiver, bytes, dict[str, str]], bool]


@pytest.fixture(scope="module")
def node_url() -> Iterator[str]:
    environment = {
        **os.environ,
        "NODE_ENV": "test",
        "WEBHOOK_SECRET": SECRET,
        "STANDARD_SECRET": standard_secret(SECRET),
    }
    with subprocess.Popen(
        [str(node.NODE), "receivers.js"],
        cwd=node.TESTS,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


@pytest.fixture(scope="module")
def flask_url() -> Iterator[str]:
    with serving(flask_app(SECRET, standard_secret(SECRET))) as url:
        yield url


@pytest.fixture(scope="module")
def accepts(node_url: str, flask_url: str) -> Iterator[Accepts]:
    """Posts a delivery; says whether the receiver took it as genuine."""
    urls = {"express": node_url, "npm": node_url, "php": node_url}
    with httpx.Client(trust_env=False) as client:

        def post(receiver: Receiver, body: bytes, headers: dict[str, str]) -> bool:
            url = urls.get(receiver.path.split("/")[1], flask_url)
            answer = client.post(url + receiver.path, content=body, headers=headers)
            assert answer.is_success or answer.status_code in {400, 401}
            return answer.is_success

        yield post


def attempt(body: bytes, try_number: int = 0) -> Attempt:
    return Attempt(body, EVENT, f"msg_{uuid.uuid4()}", str(uuid.uuid4()), now(), try_number)


def now() -> int:
    return int(time.time())


def signing(receiver: Receiver, *secrets: str) -> Signing:
    return Signing(receiver.profile, None, secrets or (SECRET,))


def body_of(data: Any, style: BodyStyle) -> bytes:
    return serialise(EVENT, "2026-01-01T12:00:00Z", data, style)


@by_case
@many
@given(data=json_values())
def test_a_receiver_accepts_whatever_an_event_holds(
    accepts: Accepts, receiver: Receiver, style: BodyStyle, data: Any
) -> None:
    body = body_of(data, style)

    assert accepts(receiver, body, sign(signing(receiver), attempt(body)))


@by_case
def test_a_receiver_refuses_a_body_with_one_bit_changed(
    accepts: Accepts, receiver: Receiver, style: BodyStyle
) -> None:
    body = body_of(SAMPLE, style)
    headers = sign(signing(receiver), attempt(body))
    changed = [flipped(body, place * 8 + place % 8) for place in range(len(body))]

    assert accepts(receiver, body, headers)
    assert [other for other in changed if accepts(receiver, other, headers)] == []


@by_receiver
def test_a_receiver_refuses_a_signature_with_one_bit_changed(
    accepts: Accepts, receiver: Receiver
) -> None:
    body = body_of(SAMPLE, receiver.styles[0])
    headers = sign(signing(receiver), attempt(body))
    name, code, write = signature(receiver, headers)
    changed = [headers | {name: write(flipped(code, bit))} for bit in range(len(code) * 8)]

    assert headers[name] == write(code)
    assert accepts(receiver, body, headers)
    assert [other for other in changed if accepts(receiver, body, other)] == []


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def signature(
    receiver: Receiver, headers: dict[str, str]
) -> tuple[str, bytes, Callable[[bytes], str]]:
    """The header that the receiver checks, its code, and how a code is written in it."""
    match receiver.profile:
        case "chatbots":
            name, prefix = "X-Chatbots-Signature", "sha256="
        case "whatscrm":
            name, prefix = "X-Webhook-Signature", "sha256="
        case "autoresponder":
            name, prefix = "X-Webhook-Signature", ""
        case _:
            code = b64decode(headers["webhook-signature"].removeprefix("v1,"))
            return "webhook-signature", code, lambda code: f"v1,{b64encode(code).decode()}"
    code = bytes.fromhex(headers[name].removeprefix(prefix))
    return name, code, lambda code: f"{prefix}{code.hex()}"


@by_receiver
def test_a_receiver_refuses_what_another_secret_signed(
    accepts: Accepts, receiver: Receiver
) -> None:
    body = body_of(SAMPLE, receiver.styles[0])

    assert not accepts(receiver, body, sign(signing(receiver, generate_secret()), attempt(body)))


@pytest.mark.parametrize("receiver", LIBRARIES, ids=lambda receiver: receiver.path)
def test_a_library_refuses_another_id_and_another_time(
    accepts: Accepts, receiver: Receiver
) -> None:
    body = body_of(SAMPLE, "compact")
    headers = sign(signing(receiver), attempt(body))
    later = str(int(headers["webhook-timestamp"]) + 1)
    old = replace(attempt(body), timestamp=now() - 301)

    assert accepts(receiver, body, headers)
    assert not accepts(receiver, body, headers | {"webhook-id": "msg_other"})
    assert not accepts(receiver, body, headers | {"webhook-timestamp": later})
    assert not accepts(receiver, body, sign(signing(receiver), old))


@by_receiver
@pytest.mark.parametrize("known", [0, 1], ids=["the new secret", "the old secret"])
def test_while_a_secret_is_changed_a_receiver_that_knows_either_accepts_within_two_tries(
    accepts: Accepts, receiver: Receiver, known: int
) -> None:
    body = body_of(SAMPLE, receiver.styles[0])
    secrets = [generate_secret(), generate_secret()]
    secrets[known] = SECRET
    tries = [sign(signing(receiver, *secrets), attempt(body, number)) for number in (0, 1)]
    answers = [accepts(receiver, body, headers) for headers in tries]

    if receiver in LIBRARIES:
        assert answers == [True, True]
    else:
        assert answers.index(True) == known


def test_javascript_prints_each_of_many_doubles_as_they_came() -> None:
    generator = random.Random(20260101)
    bits = (generator.randbytes(8) for _ in range(100_000))
    doubles = [double for (double,) in map(struct.Struct("d").unpack, bits) if isfinite(double)]
    rounded = [
        round(10 ** generator.uniform(-9, 24), generator.randrange(20)) for _ in range(100_000)
    ]
    body = b"\n".join(compact([number]) for number in [*doubles, *rounded])
    printed = subprocess.run(
        [str(node.NODE), "print_again.js"],
        cwd=node.TESTS,
        input=body,
        capture_output=True,
        check=True,
    ).stdout

    assert printed == body + b"\n"
