"""WooCommerce: base64 HMAC-SHA256 of the body.

https://developer.woocommerce.com/docs/best-practices/urls-and-routing/webhooks/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, event_type, header, identifier
from shared.signatures.handshake import PONG, Handshake
from shared.signatures.macs import any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest, is_form
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings

PING = re.compile(rb"webhook_id=[0-9]{1,20}")


class WooCommerce(Scheme[SchemeSettings]):
    name = "woocommerce"
    summary = "WooCommerce's X-WC-Webhook-Signature"
    signature_headers = frozenset({"x-wc-webhook-signature"})
    settings_model = SchemeSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: SchemeSettings, now: int
    ) -> Verified:
        claimed = request.headers.single(b"x-wc-webhook-signature")
        if not any_genuine(key_bytes(keys), request.body, [claimed], "base64"):
            raise refusal("no X-WC-Webhook-Signature matches")
        return Verified(event_type=header(request.headers, b"x-wc-webhook-topic"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: SchemeSettings
    ) -> EventDescription:
        """X-WC-Webhook-Delivery-ID is made of the webhook and the second, so two orders of one second
        share it; and one order may be sent under two topics with the same body.
        """
        headers = request.headers
        topic, second = header(headers, b"x-wc-webhook-topic"), b"x-wc-webhook-delivery-id"
        named = header(headers, second)
        digest = sha256(request.body).hexdigest()
        return EventDescription(
            event_type(topic),
            identifier(payload.get("id")),
            identifier(f"{topic or ''}:{named}:{digest}") if named else None,
        )

    @override
    def greeting(self, request: SignedRequest, settings: SchemeSettings) -> Handshake | None:
        """A new webhook's address is asked with a form, unsigned, and is refused without a 200."""
        is_ping = request.method == "POST" and is_form(request.headers)
        return PONG if is_ping and PING.fullmatch(request.body) else None

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: SchemeSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        headers = {"X-WC-Webhook-Signature": code(key.encode(), body, "base64").decode()}
        if event_type:
            headers["X-WC-Webhook-Topic"] = event_type
        if delivery_id:
            headers["X-WC-Webhook-Delivery-ID"] = delivery_id
        return headers


SCHEME = WooCommerce()
