from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import NOW, Sender, payload

TOKEN = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"


def body(secret: str, signed_token: str = TOKEN, **changes: Any) -> bytes:
    signed = f"{NOW}{signed_token}".encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    signature = {"timestamp": str(NOW), "token": signed_token, "signature": digest} | changes
    whole = json.loads(payload("mailgun", "delivered")) | {"signature": signature}
    return json.dumps(whole).encode()


def test_it_is_the_hmac_of_time_and_token_in_the_body() -> None:
    sender = Sender("mailgun", "key-3ax6xnjp29jd6fds4gc373sgvjxteol0")
    verified = sender.verify({}, body(sender.secret))
    assert verified == Verified(delivery_id=TOKEN, timestamp=NOW)


def test_the_time_may_be_a_number() -> None:
    sender = Sender("mailgun")
    assert sender.verify({}, body(sender.secret, timestamp=NOW)).timestamp == NOW


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": str(NOW + 1)},
        {"token": TOKEN[:-1]},
        {"token": ""},
        {"token": None},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": ["x"]},
        {"timestamp": "é"},
        {"token": TOKEN * 10},
    ],
)
def test_any_other_part_is_refused(changes: dict[str, Any]) -> None:
    sender = Sender("mailgun")
    with pytest.raises(InvalidSignature):
        sender.verify({}, body(sender.secret, **changes))


def test_digits_cannot_be_moved_from_the_time_to_the_token() -> None:
    """Both are signed without a mark between them."""
    sender = Sender("mailgun")
    genuine = json.loads(body(sender.secret, "1token"))
    moved = genuine["signature"] | {"timestamp": f"{NOW}1", "token": "token"}
    with pytest.raises(InvalidSignature):
        sender.verify({}, json.dumps(genuine | {"signature": moved}).encode())


def test_event_data_beside_a_used_signature_is_a_copy_of_the_first() -> None:
    sender = Sender("mailgun")
    first = json.loads(body(sender.secret))
    forged = first | {"event-data": {"event": "complained"}}
    sender.verify({}, json.dumps(forged).encode())
    assert sender.describe(forged).delivery_id == sender.describe(first).delivery_id == TOKEN


def test_the_body_tells_type_record_and_delivery() -> None:
    described = Sender("mailgun").describe(json.loads(payload("mailgun", "delivered")))
    message = "20260528202640.1.6F2B7D2F1A@mail.example.org"
    assert described == EventDescription("delivered", message, TOKEN)
