from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode

import pytest

from shared.errors import InvalidSignature
from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, NOW, Sender, payload

TIME = "2026-05-28T20:26:40Z"


def headers(secret: str, time: str = TIME) -> dict[str, str]:
    digest = hmac.new(secret.encode(), time.encode() + BODY, hashlib.sha256).digest()
    return {
        "X-Zendesk-Webhook-Signature-Timestamp": time,
        "X-Zendesk-Webhook-Signature": b64encode(digest).decode(),
    }


def test_it_is_the_hmac_of_time_and_body() -> None:
    sender = Sender("zendesk", "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==")
    assert sender.headers() == headers(sender.secret)
    given = headers(sender.secret) | {"X-Zendesk-Webhook-Invocation-Id": "8350205582"}
    assert sender.verify(given) == Verified(delivery_id="8350205582", timestamp=NOW)


@pytest.mark.parametrize(
    "time",
    [
        "",
        str(NOW),
        "2026-05-28T20:26:40",
        "2026-05-28 20:26:40Z",
        "2026-05-28T20:26:40+00:00",
        "2026-02-30T20:26:40Z",
    ],
)
def test_a_time_that_is_not_written_as_zendesk_writes_it_is_refused(time: str) -> None:
    sender = Sender("zendesk")
    with pytest.raises(InvalidSignature):
        sender.verify(headers(sender.secret, time))


def test_the_body_tells_type_and_record_the_header_the_delivery() -> None:
    body = json.loads(payload("zendesk", "ticket.created"))
    described = Sender("zendesk").describe(body, {"X-Zendesk-Webhook-Invocation-Id": "8350205582"})
    assert described == EventDescription("zen:event-type:ticket.created", "5158", "8350205582")
