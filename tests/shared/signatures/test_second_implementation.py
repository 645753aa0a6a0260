"""For vendors without a library that signs: a second implementation, in Node, of what their documentation
tells. It and this code agree over random bodies, both ways.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from shared.errors import InvalidSignature
from shared.signatures import SCHEMES, generate_secret
from tests.shared.signatures.factories import SETTINGS, URL, Sender, Sent
from tests.shared.signatures.javascript import SECOND_OPINION, Question, ask
from tests.shared.signatures.random_bodies import BODIES, COUNT, changed
from tests.shared.signatures.test_javascript_libraries import THEIR_SIGNING
from tests.shared.signatures.test_python_libraries import LIBRARIES

TOKENS = ("basic", "bearer")
"""The body plays no part."""
SIGNING = (
    *("calendly", "chatbots", "intercom", "linear", "mailgun", "meta", "paddle", "shopify"),
    *("square", "typeform", "webhook_signature", "woocommerce", "zendesk", "zoom"),
)
HMACS: Mapping[str, dict[str, Any]] = {
    f"hmac {encoding} {hash_name} {template}": {
        "header": "X-Signature",
        "encoding": encoding,
        "hash": hash_name,
        "template": template,
        "prefix": prefix,
        "deliveryIdHeader": "X-Id",
        "timestampHeader": "X-Timestamp" if "{timestamp}" in template else None,
    }
    for encoding, hash_name, template, prefix in (
        ("hex", "sha256", "{body}", "sha256="),
        ("base64", "sha256", "{timestamp}.{body}", ""),
        ("hex", "sha512", "{id}.{timestamp}.{body}", "v1="),
        ("base64", "sha1", "POST https://shop.example/in?{id}&{body}!", ""),
    )
}


@dataclass(frozen=True)
class Opinions:
    """What the second implementation made of all bodies, for one sender."""

    sender: Sender
    now: int
    signed: list[Sent]
    genuine: list[bool]
    genuine_once_changed: list[bool]


def _sender(name: str) -> Sender:
    if name in HMACS:
        return Sender("hmac", **HMACS[name])
    # GitLab's other way, a token in a header, signs nothing.
    return Sender(name, generate_secret("standard_webhooks")) if name == "gitlab" else Sender(name)


def _sent(sender: Sender, body: bytes, now: int) -> Sent:
    takes_id = sender.scheme.name in {"gitlab", "hmac"}
    return sender.send(body, now, **({"delivery_id": "msg_1"} if takes_id else {}))


def _questions(name: str, sender: Sender, now: int) -> list[Question]:
    scheme = sender.scheme.name
    known = {"scheme": scheme, "secret": sender.secret, "url": URL, "now": now}
    known["settings"] = HMACS.get(name) or SETTINGS.get(scheme, {})

    def verify(sent: Sent) -> Question:
        request: dict[str, Any] = {"body": sent.body.decode(), "sent": dict(sent.headers)}
        return "verify", known | request

    ours = [_sent(sender, body, now) for body in BODIES]
    return [
        *(("sign", known | {"body": body.decode()}) for body in BODIES),
        *(verify(sent) for sent in ours),
        *(verify(_otherwise(name, sent)) for sent in ours),
    ]


def _otherwise(name: str, sent: Sent) -> Sent:
    """With another body; Mailgun's signature, which stands in the body, for another time."""
    if name == "mailgun":
        return Sent(sent.headers, sent.body.replace(b'"timestamp":"1', b'"timestamp":"2'))
    return changed(sent)


NAMES = (*TOKENS, *SIGNING, "gitlab", *HMACS)
each = pytest.mark.parametrize("name", NAMES)
each_that_signs = pytest.mark.parametrize("name", [name for name in NAMES if name not in TOKENS])


@pytest.fixture(scope="module")
def opinions() -> dict[str, Opinions]:
    now = int(time.time())
    senders = {name: _sender(name) for name in NAMES}
    questions = {name: _questions(name, sender, now) for name, sender in senders.items()}
    flat = iter(ask([one for several in questions.values() for one in several], SECOND_OPINION))
    answers = {name: [next(flat) for _ in several] for name, several in questions.items()}
    return {
        name: Opinions(
            sender,
            now,
            [Sent(one["headers"], one["body"].encode()) for one in answers[name][:COUNT]],
            answers[name][COUNT : 2 * COUNT],
            answers[name][2 * COUNT :],
        )
        for name, sender in senders.items()
    }


@each
def test_what_it_signs_is_genuine_here(name: str, opinions: dict[str, Opinions]) -> None:
    opinion = opinions[name]
    for sent in opinion.signed:
        opinion.sender.accept(sent, now=opinion.now)


@each
def test_what_is_signed_here_is_genuine_there(name: str, opinions: dict[str, Opinions]) -> None:
    assert opinions[name].genuine == [True] * COUNT


@each_that_signs
def test_neither_takes_what_was_changed(name: str, opinions: dict[str, Opinions]) -> None:
    opinion = opinions[name]
    assert opinion.genuine_once_changed == [False] * COUNT
    for sent in opinion.signed:
        with pytest.raises(InvalidSignature):
            opinion.sender.accept(_otherwise(name, sent), now=opinion.now)


def test_every_scheme_that_verifies_agrees_with_somebody_elses_signatures() -> None:
    agreeing = {*TOKENS, *SIGNING, "gitlab", "hmac", *THEIR_SIGNING, *LIBRARIES} - {"svix"}
    assert agreeing == SCHEMES.keys() - {"none"}
