from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, Sender, payload


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_the_hex_may_come_bare_or_after_sha256(prefix: str) -> None:
    sender = Sender("webhook_signature", "s3cr3t")
    digest = hmac.new(b"s3cr3t", BODY, hashlib.sha256).hexdigest()
    assert sender.verify({"X-Webhook-Signature": prefix + digest}) == Verified()


@pytest.mark.parametrize(
    ("vendor", "event", "record"),
    [
        ("shop", "contact.created", "cust_4821"),
        ("shop", "order.completed", "ord_90233"),
        ("autoresponder", "ticket.created", "5c3b7d52-8f0a-4f0e-9b1d-4c8a1e0a7f66"),
        ("autoresponder", "ticket.create", None),
    ],
)
def test_both_shapes_of_body_tell_type_and_record(
    vendor: str, event: str, record: str | None
) -> None:
    body = json.loads(payload(vendor, event))
    described = Sender("webhook_signature").describe(body, {"X-Webhook-Event": "other"})
    assert described == EventDescription(event, record, None)


def test_the_records_id_is_not_the_deliverys() -> None:
    """One contact is created once and updated often: each of those is an event of its own."""
    described = Sender("webhook_signature").describe({"external_id": "cust_123"})
    assert described.external_id == "cust_123"
    assert described.delivery_id is None


def test_headers_of_ones_own_can_be_named() -> None:
    sender = Sender("webhook_signature", eventTypeHeader="X-Kind", deliveryIdHeader="X-Delivery")
    headers = sender.headers(event_type="a.b", delivery_id="d1")
    assert headers["x-kind"] == "a.b"
    assert "X-Webhook-Event" not in headers
    assert sender.describe({"event": "c"}, headers) == EventDescription("a.b", None, "d1")
