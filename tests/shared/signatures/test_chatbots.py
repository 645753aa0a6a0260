from __future__ import annotations

import hashlib
import hmac
import json

from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, Sender, payload


def test_it_is_the_hmac_of_the_body_after_sha256() -> None:
    sender = Sender("chatbots", "5f8d7a3c9b2e1d6f4a7c8b9d0e3f2a1")
    digest = hmac.new(b"5f8d7a3c9b2e1d6f4a7c8b9d0e3f2a1", BODY, hashlib.sha256).hexdigest()
    assert sender.headers() == {"X-Chatbots-Signature": f"sha256={digest}"}
    assert sender.verify({"X-Chatbots-Signature": f"sha256={digest}"}) == Verified()


def test_the_body_tells_type_and_record() -> None:
    body = json.loads(payload("chatbots", "message.created"))
    described = Sender("chatbots").describe(body, {"X-Chatbots-Event": "other"})
    assert described == EventDescription("message.created", "60d21b4667d0d8992e610c86", None)


def test_the_header_tells_the_type_where_the_body_does_not() -> None:
    sender = Sender("chatbots")
    headers = sender.headers(event_type="user.login")
    assert sender.describe({"data": {}}, headers).event_type == "user.login"
    assert sender.verify(headers).event_type == "user.login"


def test_the_attempts_id_is_not_the_deliverys() -> None:
    """Each retry carries another X-Chatbots-Delivery: taken as the id, it would hide copies."""
    described = Sender("chatbots").describe({}, {"X-Chatbots-Delivery": "d1"})
    assert described.delivery_id is None


def test_an_idempotency_key_is_the_deliverys_id() -> None:
    sender = Sender("chatbots")
    assert sender.describe({}, sender.headers(delivery_id="k1")).delivery_id == "k1"
    assert sender.describe({}, {"Idempotency-Key": '"k2"'}).delivery_id == "k2"
