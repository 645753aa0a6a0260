from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import NOW, Sender, payload


def headers(secret: str, body: bytes) -> dict[str, str]:
    return {"Linear-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def test_it_is_the_hmac_of_a_body_with_the_time_in_it() -> None:
    sender = Sender("linear", "lin_wh_3Q8yV0sJ2kLpTnR6")
    body = payload("linear", "issue.create")
    assert sender.headers(body) == headers(sender.secret, body)
    assert sender.verify(headers(sender.secret, body), body) == Verified(timestamp=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"not json",
        b'{"webhookTimestamp": null}',
        b'{"webhookTimestamp": "1780000000000"}',
        b'{"webhookTimestamp": true}',
        b'{"webhookTimestamp": 1780000000000.5}',
        b'{"webhookTimestamp": 1780000000}',
        b'{"data": {"webhookTimestamp": 1780000000000}}',
    ],
)
def test_a_signed_body_without_a_good_time_is_refused(body: bytes) -> None:
    sender = Sender("linear")
    with pytest.raises(InvalidSignature):
        sender.verify(headers(sender.secret, body), body)


def test_a_time_in_a_header_does_not_count() -> None:
    sender = Sender("linear")
    with pytest.raises(InvalidSignature):
        sender.verify(headers(sender.secret, b"{}") | {"Linear-Timestamp": f"{NOW}000"}, b"{}")


def test_type_record_and_delivery() -> None:
    body = json.loads(payload("linear", "issue.create"))
    described = Sender("linear").describe(body, {"Linear-Delivery": "234d1a4e"})
    record = "539068e2-ae88-4d09-bd75-22eb4a59612f"
    assert described == EventDescription("Issue.create", record, "234d1a4e")
