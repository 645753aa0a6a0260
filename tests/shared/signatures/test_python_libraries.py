"""Vendors' own libraries in Python and this code agree, over random bodies: they verify what is signed
here, not what was changed on the way, and what they sign is genuine here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
import standardwebhooks
import stripe
import svix
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

from shared.errors import InvalidSignature
from tests.shared.signatures.factories import FORM, URL, Sender, Sent
from tests.shared.signatures.key_pairs import DISCORD_PUBLIC
from tests.shared.signatures.random_bodies import BODIES, COUNT, FORMS, changed, header


@dataclass(frozen=True)
class Library:
    """What a vendor's library makes of a body, at a time."""

    sender: Sender
    verifies: Callable[[Sent], object]
    """False, or an error, for what it does not take."""
    signs: Callable[[bytes], Mapping[str, str]]


def _stripe(now: int) -> Library:
    sender = Sender("stripe")
    compute = stripe.WebhookSignature._compute_signature
    return Library(
        sender,
        lambda sent: stripe.WebhookSignature.verify_header(
            sent.body, header(sent, "Stripe-Signature"), sender.secret, tolerance=300
        ),
        lambda body: {
            "Stripe-Signature": f"t={now},v1={compute(f'{now}.{body.decode()}', sender.secret)}"
        },
    )


def _slack(now: int) -> Library:
    sender = Sender("slack")
    library = SignatureVerifier(sender.secret)
    return Library(
        sender,
        lambda sent: library.is_valid_request(sent.body, dict(sent.headers)),
        lambda body: {
            "X-Slack-Request-Timestamp": str(now),
            "X-Slack-Signature": library.generate_signature(timestamp=str(now), body=body) or "",
        },
    )


def _standard(package: Any, prefix: str) -> Callable[[int], Library]:
    def make(now: int) -> Library:
        sender = Sender("standard_webhooks")
        library = package.Webhook(sender.secret)
        at = datetime.fromtimestamp(now, UTC)

        def renamed(sent: Sent) -> dict[str, str]:
            return {n.replace("webhook-", prefix): text for n, text in dict(sent.headers).items()}

        return Library(
            sender,
            lambda sent: library.verify(sent.body, renamed(sent)),
            lambda body: {
                f"{prefix}id": "msg_1",
                f"{prefix}timestamp": str(now),
                f"{prefix}signature": library.sign("msg_1", at, body.decode()),
            },
        )

    return make


def _twilio(_: int) -> Library:
    """With JSON. Forms have a test of their own."""
    sender = Sender("twilio")
    library = RequestValidator(sender.secret)
    return Library(
        sender,
        lambda sent: library.validate(
            f"{URL}?{sent.query}", sent.body.decode(), header(sent, "X-Twilio-Signature")
        ),
        lambda body: {
            "X-Twilio-Signature": library.compute_signature(
                f"{URL}?{sender.scheme.query(body)}", {}
            )
        },
    )


def _discord(now: int) -> Library:
    sender = Sender("discord")
    key = SigningKey(bytes(range(32)))
    public = VerifyKey(bytes.fromhex(DISCORD_PUBLIC))

    def verifies(sent: Sent) -> object:
        signed = header(sent, "X-Signature-Timestamp").encode() + sent.body
        return public.verify(signed, bytes.fromhex(header(sent, "X-Signature-Ed25519")))

    return Library(
        sender,
        verifies,
        lambda body: {
            "X-Signature-Timestamp": str(now),
            "X-Signature-Ed25519": key.sign(f"{now}".encode() + body).signature.hex(),
        },
    )


LIBRARIES: Mapping[str, Callable[[int], Library]] = {
    "discord": _discord,
    "slack": _slack,
    "standard_webhooks": _standard(standardwebhooks, "webhook-"),
    "stripe": _stripe,
    "svix": _standard(svix, "svix-"),
    "twilio": _twilio,
}
REFUSALS = (
    BadSignatureError,
    standardwebhooks.WebhookVerificationError,
    stripe.SignatureVerificationError,
    svix.WebhookVerificationError,
)

each_library = pytest.mark.parametrize("name", LIBRARIES)


def verified_by(library: Library, sent: Sent) -> bool:
    try:
        return library.verifies(sent) is not False
    except REFUSALS:
        return False


@each_library
def test_the_library_verifies_what_is_signed_here(name: str) -> None:
    now = int(time.time())
    library = LIBRARIES[name](now)
    assert all(verified_by(library, library.sender.send(body, now)) for body in BODIES)


@each_library
def test_neither_takes_a_body_that_was_not_signed(name: str) -> None:
    now = int(time.time())
    library = LIBRARIES[name](now)
    for body in BODIES:
        sent = changed(library.sender.send(body, now))
        assert not verified_by(library, sent)
        with pytest.raises(InvalidSignature):
            library.sender.accept(sent, now=now)


@each_library
def test_what_the_library_signs_is_genuine_here(name: str) -> None:
    now = int(time.time())
    library = LIBRARIES[name](now)
    for body in BODIES:
        query = library.sender.scheme.query(body)
        library.sender.accept(Sent(library.signs(body), body, query), now=now)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("url", [URL, URL.replace(".com", ".com:8443"), "http://a.example/x"])
def test_twilios_library_agrees_about_forms(algorithm: str, url: str) -> None:
    sender = Sender("twilio", publicUrl=url, algorithm=algorithm)
    library, of_theirs = RequestValidator(sender.secret), f"HMAC_{algorithm}"
    for form in FORMS:
        fields = dict(parse_qsl(form.decode(), keep_blank_values=True))
        sent = sender.send(form)
        signature = header(sent, "X-Twilio-Signature")
        assert library.validate(url, fields, signature, of_theirs)
        assert not library.validate(url, fields | {"Body": "other"}, signature, of_theirs)
        theirs = {"X-Twilio-Signature": library.compute_signature(url, fields, of_theirs)}
        sender.accept(Sent(FORM | theirs, form))
        with pytest.raises(InvalidSignature):
            sender.accept(Sent(FORM | theirs, form + b"&Body=other"))


def test_the_random_bodies_are_worth_it() -> None:
    text = b"".join(BODIES)
    assert len(set(BODIES)) == COUNT
    assert "😀".encode() in text
    assert rb"\ud83d" in text
    assert len({tuple(sorted(parse_qsl(form.decode()))) for form in FORMS}) == COUNT
