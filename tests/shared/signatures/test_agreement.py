"""Vendors' own libraries and this code agree, over random bodies: they verify what is signed here, not
what was changed on the way, and what they sign is genuine here.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

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
from tests.shared.signatures.javascript import Question, ask
from tests.shared.signatures.key_pairs import DISCORD_PUBLIC, PRIVATE_KEYS, SENDGRID_PUBLIC

COUNT = 40

ALPHABET = "abc \t\"\\'/&=+%<>{}[]:,.0159éß€漢字𝒳😀\x00\x7f\u2028"


def random_text(source: random.Random) -> str:
    return "".join(source.choices(ALPHABET, k=source.randrange(40)))


def random_bodies() -> list[bytes]:
    """JSON objects, compact and spaced, escaped and not."""
    source = random.Random(1815)
    bodies = []
    for number in range(COUNT):
        value = {random_text(source): random_text(source), "n": source.randrange(10**9)}
        separators = source.choice([(",", ":"), (", ", ": ")])
        is_ascii = source.random() < 0.5
        text = json.dumps(value | {"id": number}, ensure_ascii=is_ascii, separators=separators)
        bodies.append(text.encode())
    return bodies


def random_forms() -> list[bytes]:
    source = random.Random(1852)
    return [
        urlencode(
            {random_text(source): random_text(source) for _ in range(source.randrange(1, 9))}
        ).encode()
        for _ in range(COUNT)
    ]


BODIES = random_bodies()
FORMS = random_forms()
OTHER = b'{"other":"body"}'


def changed(sent: Sent) -> Sent:
    return replace(sent, body=OTHER)


def header(sent: Sent, name: str) -> str:
    return dict(sent.headers)[name]


# --- Libraries in Python -------------------------------------------------------------------------


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


# --- Libraries in JavaScript ---------------------------------------------------------------------


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


def test_the_random_bodies_are_worth_it() -> None:
    text = b"".join(BODIES)
    assert len(set(BODIES)) == COUNT
    assert "😀".encode() in text
    assert rb"\ud83d" in text
    assert len({tuple(sorted(parse_qsl(form.decode()))) for form in FORMS}) == COUNT
