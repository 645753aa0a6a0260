from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload


def signature(secret: str, body: bytes = BODY, now: int = NOW) -> str:
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


def test_it_is_the_hmac_of_time_and_body() -> None:
    sender = Sender("calendly", "5mEzn9C-I28UtwOjZJtFoob0sAAFZ95GbZkqj4y3i0I")
    headers = {"Calendly-Webhook-Signature": signature(sender.secret)}
    assert sender.headers() == headers
    assert sender.verify(headers) == Verified(timestamp=NOW)


def test_a_second_time_is_refused() -> None:
    sender = Sender("calendly")
    twice = f"{signature(sender.secret)},t={NOW}"
    with pytest.raises(InvalidSignature):
        sender.verify({"Calendly-Webhook-Signature": twice})


def test_the_body_tells_type_and_record_and_copies_are_told_by_it() -> None:
    body = json.loads(payload("calendly", "invitee.created"))
    described = Sender("calendly").describe(body)
    assert described == EventDescription("invitee.created", body["payload"]["uri"], None)
