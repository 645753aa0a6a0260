"""Vendors' own libraries in JavaScript, and OpenSSL behind Node, agree with this code over random bodies.

One Node process answers for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import InvalidSignature
from tests.shared.signatures.factories import URL, Sender, Sent
from tests.shared.signatures.javascript import Question, ask
from tests.shared.signatures.key_pairs import PRIVATE_KEYS, SENDGRID_PUBLIC
from tests.shared.signatures.random_bodies import BODIES, COUNT, changed, header


@dataclass(frozen=True)
class Asked:
    """What a library is asked about one body, and where its signature belongs."""

    sender: Sender
    now: int
    verify: Callable[[Sent], dict[str, Any]] | None
    sign: Callable[[bytes], dict[str, Any]] | None = None
    headers: Callable[[str], Mapping[str, str]] = lambda _: {}


def _of_the_body(scheme: str, field: str, now: int) -> Asked:
    """For a library that wants the secret, the body and the header."""
    sender = Sender(scheme)
    return Asked(
        sender,
        now,
        lambda sent: {
            "secret": sender.secret,
            "url": URL,
            "body": sent.body.decode(),
            "signature": header(sent, field),
        },
        lambda body: {"secret": sender.secret, "body": body.decode()},
        lambda signature: {field: signature},
    )


def _hubspot(now: int) -> Asked:
    sender = Sender("hubspot")
    names = ("X-HubSpot-Request-Timestamp", "X-HubSpot-Signature-v3")

    def asked(body: bytes, timestamp: str) -> dict[str, Any]:
        known = {"secret": sender.secret, "url": URL, "requestBody": body.decode()}
        return known | {"timestamp": int(timestamp)}

    return Asked(
        sender,
        now,
        lambda sent: (
            asked(sent.body, header(sent, names[0])) | {"signature": header(sent, names[1])}
        ),
        lambda body: asked(body, f"{now}000"),
        lambda signature: {names[0]: f"{now}000", names[1]: signature},
    )


def _discord_by_openssl(now: int) -> Asked:
    return Asked(
        Sender("discord"),
        now,
        None,
        lambda body: {"key": PRIVATE_KEYS["discord"], "time": str(now), "body": body.decode()},
        lambda signature: {"X-Signature-Timestamp": str(now), "X-Signature-Ed25519": signature},
    )


def _sendgrid(now: int) -> Asked:
    at, signed = (f"X-Twilio-Email-Event-Webhook-{part}" for part in ("Timestamp", "Signature"))
    return Asked(
        Sender("sendgrid"),
        now,
        lambda sent: {
            "publicKey": SENDGRID_PUBLIC,
            "time": header(sent, at),
            "body": sent.body.decode(),
            "signature": header(sent, signed),
        },
        lambda body: {"key": PRIVATE_KEYS["sendgrid"], "time": str(now), "body": body.decode()},
        lambda signature: {at: str(now), signed: signature},
    )


def _paypal(now: int) -> Asked:
    sender = Sender("paypal")
    iso = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    known = {"webhookId": sender.settings.webhook_id}
    return Asked(
        sender,
        now,
        lambda sent: {
            **known,
            "certificate": sender.settings.certificates[0],
            "id": header(sent, "PAYPAL-TRANSMISSION-ID"),
            "time": header(sent, "PAYPAL-TRANSMISSION-TIME"),
            "body": sent.body.decode(),
            "signature": header(sent, "PAYPAL-TRANSMISSION-SIG"),
        },
        lambda body: {
            **known,
            "key": PRIVATE_KEYS["paypal"],
            "id": "transmission-1",
            "time": iso,
            "body": body.decode(),
        },
        lambda signature: {
            "PAYPAL-TRANSMISSION-ID": "transmission-1",
            "PAYPAL-TRANSMISSION-TIME": iso,
            "PAYPAL-TRANSMISSION-SIG": signature,
        },
    )


VERIFYING = ("github", "hubspot", "linear", "paddle", "paypal", "sendgrid", "shopify", "square")
THEIR_SIGNING = ("discord", "github", "hubspot", "paypal", "sendgrid")


def _asked() -> dict[str, Asked]:
    now = int(time.time())
    # These two ask only whether a time is too old: a busy machine cannot make it so.
    ahead = now + 3600
    return {
        "discord": _discord_by_openssl(now),
        "github": _of_the_body("github", "X-Hub-Signature-256", now),
        "hubspot": _hubspot(ahead),
        "linear": _of_the_body("linear", "Linear-Signature", now),
        "paddle": _of_the_body("paddle", "Paddle-Signature", ahead),
        "paypal": _paypal(now),
        "sendgrid": _sendgrid(now),
        "shopify": _of_the_body("shopify", "X-Shopify-Hmac-Sha256", now),
        "square": _of_the_body("square", "x-square-hmacsha256-signature", now),
    }


@dataclass(frozen=True)
class Answers:
    """What all libraries answered, in the order of the bodies."""

    asked: Mapping[str, Asked]
    by_question: Mapping[tuple[str, str], list[Any]]


@pytest.fixture(scope="module")
def answers() -> Answers:
    asked = _asked()
    questions: dict[tuple[str, str], list[Question]] = {}
    for name in VERIFYING:
        verify, sender, now = asked[name].verify, asked[name].sender, asked[name].now
        assert verify is not None
        sent = [sender.send(body, now) for body in BODIES]
        questions[name, "verify"] = [(f"{name}.verify", verify(one)) for one in sent]
        questions[name, "changed"] = [(f"{name}.verify", verify(changed(one))) for one in sent]
    for name in THEIR_SIGNING:
        sign = asked[name].sign
        assert sign is not None
        questions[name, "sign"] = [(f"{name}.sign", sign(body)) for body in BODIES]
    flat = iter(ask([question for several in questions.values() for question in several]))
    by_question = {key: [next(flat) for _ in several] for key, several in questions.items()}
    return Answers(asked, by_question)


@pytest.mark.parametrize("name", VERIFYING)
def test_the_javascript_library_verifies_what_is_signed_here(name: str, answers: Answers) -> None:
    assert answers.by_question[name, "verify"] == [True] * COUNT


@pytest.mark.parametrize("name", VERIFYING)
def test_the_javascript_library_refuses_what_was_changed(name: str, answers: Answers) -> None:
    assert not any(answers.by_question[name, "changed"])


@pytest.mark.parametrize("name", THEIR_SIGNING)
def test_what_the_javascript_library_signs_is_genuine_here(name: str, answers: Answers) -> None:
    asked = answers.asked[name]
    for body, signature in zip(BODIES, answers.by_question[name, "sign"], strict=True):
        sent = Sent(asked.headers(signature), body)
        asked.sender.accept(sent, now=asked.now)
        with pytest.raises(InvalidSignature):
            asked.sender.accept(changed(sent), now=asked.now)
