from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from shared.signatures.handshake import PONG
from tests.shared.signatures.factories import BODY, Sender, payload, request


def test_it_is_the_sha1_hmac_of_the_body() -> None:
    sender = Sender("intercom", "28ed7a14-2a3b-4e0f-b4d1-a5c8f4f6d0b6")
    digest = hmac.new(sender.secret.encode(), BODY, hashlib.sha1).hexdigest()
    assert sender.headers() == {"X-Hub-Signature": f"sha1={digest}"}
    assert sender.verify({"X-Hub-Signature": f"sha1={digest}"}) == Verified()


def test_another_hash_that_the_header_names_is_refused() -> None:
    sender = Sender("intercom")
    digest = hmac.new(sender.secret.encode(), BODY, hashlib.sha256).hexdigest()
    for value in (f"sha256={digest}", f"sha1={digest}", digest):
        with pytest.raises(InvalidSignature):
            sender.verify({"X-Hub-Signature": value})


def test_the_body_tells_type_record_and_delivery() -> None:
    body = json.loads(payload("intercom", "conversation.user.created"))
    assert Sender("intercom").describe(body) == EventDescription(
        "conversation.user.created", "147", "notif_5b1e7f60-8f7a-11ea-a3e5-7b0f2c9d8e1f"
    )


def test_a_ping_is_answered_and_nothing_else() -> None:
    scheme = Sender("intercom").scheme
    assert scheme.handshake(request({}), {"topic": "ping"}, []) == PONG
    assert scheme.handshake(request({}), {"topic": "contact.created"}, []) is None
