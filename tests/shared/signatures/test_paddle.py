from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload


def code(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), f"{NOW}:".encode() + body, hashlib.sha256).hexdigest()


def test_it_is_the_hmac_of_time_and_body() -> None:
    sender = Sender("paddle", "pdl_ntfset_01gkpjp8bkm3tm53kdgkx6sms7_6h3q")
    headers = {"Paddle-Signature": f"ts={NOW};h1={code(sender.secret)}"}
    assert sender.headers() == headers
    assert sender.verify(headers) == Verified(timestamp=NOW)


def test_during_a_rotation_one_genuine_h1_among_several_is_enough() -> None:
    sender = Sender("paddle")
    good = code(sender.secret)
    for codes in (f"h1={good};h1={'0' * 64}", f"h1={'0' * 64};h1={good}"):
        sender.verify({"Paddle-Signature": f"ts={NOW};{codes}"})


@pytest.mark.parametrize(
    "header", ["h1={code}", "ts={now};h2={code}", "ts={now};ts={now};h1={code}"]
)
def test_without_one_time_and_an_h1_it_is_refused(header: str) -> None:
    sender = Sender("paddle")
    with pytest.raises(InvalidSignature):
        sender.verify({"Paddle-Signature": header.format(now=NOW, code=code(sender.secret))})


def test_the_body_tells_type_record_and_delivery() -> None:
    body = json.loads(payload("paddle", "transaction.completed"))
    assert Sender("paddle").describe(body) == EventDescription(
        "transaction.completed",
        "txn_01hv8wptq8987qeep44cyrewp9",
        "evt_01hv8x29kz0t586xy6zn1a62ny",
    )
