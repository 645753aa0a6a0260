from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode

import pytest

from shared.signatures import Handshake, Verified
from shared.signatures.handshake import PONG
from tests.shared.signatures.factories import BODY, FORM, Sender, payload, request


def greeting(body: bytes, headers: dict[str, str] = FORM) -> Handshake | None:
    sender = Sender("woocommerce")
    return sender.scheme.greeting(request(headers, body), sender.settings)


def test_it_is_the_base64_hmac_of_the_body() -> None:
    sender = Sender("woocommerce", "!u@Q,<%tKk7c]")
    digest = b64encode(hmac.new(sender.secret.encode(), BODY, hashlib.sha256).digest()).decode()
    assert sender.headers() == {"X-WC-Webhook-Signature": digest}
    assert sender.verify(
        {"X-WC-Webhook-Signature": digest, "X-WC-Webhook-Topic": "order.created"}
    ) == Verified(event_type="order.created")


def test_the_ping_of_a_new_webhook_is_answered() -> None:
    assert greeting(b"webhook_id=12") == PONG


@pytest.mark.parametrize(
    "body",
    [b"", b"webhook_id=", b"webhook_id=12&x=1", b"webhook_id=<b>", b"webhook_id=" + b"1" * 21],
)
def test_nothing_else_is_answered_unsigned(body: bytes) -> None:
    assert greeting(body) is None
    assert greeting(b"webhook_id=12", {"Content-Type": "application/json"}) is None


def test_the_headers_tell_the_type_and_the_body_the_record() -> None:
    sender = Sender("woocommerce")
    body = payload("woocommerce", "order.created")
    headers = sender.headers(body, event_type="order.created", delivery_id="d41d8cd9")
    described = sender.describe(json.loads(body), headers)
    assert (described.event_type, described.external_id) == ("order.created", "727")


def test_what_is_sent_within_one_second_is_not_one_delivery() -> None:
    """WooCommerce's delivery id is a hash of the webhook and the second."""
    sender = Sender("woocommerce")
    created = {"X-WC-Webhook-Topic": "order.created", "X-WC-Webhook-Delivery-ID": "same"}
    updated = created | {"X-WC-Webhook-Topic": "order.updated"}
    ids = {
        sender.scheme.describe(request(headers, body), {}, sender.settings).delivery_id
        for headers in (created, updated)
        for body in (b'{"id":1}', b'{"id":2}')
    }
    assert len(ids) == 4
    assert sender.describe({}, {"X-WC-Webhook-Topic": "order.created"}).delivery_id is None
