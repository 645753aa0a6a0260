from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode

from shared.signatures import EventDescription, Verified
from tests.shared.signatures.factories import BODY, Sender, payload


def test_it_is_the_base64_hmac_of_the_body() -> None:
    sender = Sender("shopify", "shpss_0123")
    digest = b64encode(hmac.new(b"shpss_0123", BODY, hashlib.sha256).digest()).decode()
    assert sender.headers() == {"X-Shopify-Hmac-Sha256": digest}
    assert sender.verify({"X-Shopify-Hmac-SHA256": digest}) == Verified()


def test_the_unprefixed_headers_are_read_too() -> None:
    sender = Sender("shopify")
    headers = sender.headers(event_type="orders/create", delivery_id="e1")
    unprefixed = {name.removeprefix("X-"): value for name, value in headers.items()}
    assert sender.verify(unprefixed) == Verified("orders/create", "orders/create:e1")


def test_headers_tell_topic_and_event_and_the_body_the_record() -> None:
    sender = Sender("shopify")
    body = payload("shopify", "orders_create")
    parsed = json.loads(body)
    headers = sender.headers(body, event_type="orders/create", delivery_id="98880550-7158")
    assert sender.describe(parsed, headers) == EventDescription(
        "orders/create", str(parsed["id"]), "orders/create:98880550-7158"
    )


def test_one_event_under_two_topics_is_two_deliveries() -> None:
    sender = Sender("shopify")
    ids = {
        sender.describe({}, sender.headers(event_type=topic, delivery_id="e1")).delivery_id
        for topic in ("orders/create", "orders/paid")
    }
    assert len(ids) == 2


def test_the_webhook_id_stands_in_for_a_missing_event_id() -> None:
    sender = Sender("shopify")
    headers = {**sender.headers(event_type="orders/create"), "X-Shopify-Webhook-Id": "w1"}
    assert sender.describe({}, headers).delivery_id == "orders/create:w1"


def test_a_record_without_a_number_goes_by_its_graphql_id() -> None:
    described = Sender("shopify").describe({"admin_graphql_api_id": "gid://shopify/Order/1"})
    assert described.external_id == "gid://shopify/Order/1"
