"""Shopify: base64 HMAC-SHA256 of the body, without a timestamp.

Webhooks name their headers `X-Shopify-…`, the newer Events `Shopify-…`.
https://shopify.dev/docs/apps/build/webhooks/subscribe/https
https://shopify.dev/docs/apps/build/webhooks/ignore-duplicates
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, event_type, header, identifier
from shared.signatures.macs import any_genuine, code, key_bytes, refusal
from shared.signatures.request import Headers, SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings


class Shopify(Scheme[SchemeSettings]):
    name = "shopify"
    summary = "Shopify's X-Shopify-Hmac-Sha256"
    signature_headers = frozenset({"x-shopify-hmac-sha256", "shopify-hmac-sha256"})
    settings_model = SchemeSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: SchemeSettings, now: int
    ) -> Verified:
        headers = request.headers
        claimed = headers.single(_prefix(headers) + b"hmac-sha256")
        if not any_genuine(key_bytes(keys), request.body, [claimed], "base64"):
            raise refusal("no X-Shopify-Hmac-Sha256 matches")
        return Verified(event_type=_topic(headers), delivery_id=_delivery_id(headers))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: SchemeSettings
    ) -> EventDescription:
        headers = request.headers
        return EventDescription(
            event_type(_topic(headers)),
            identifier(payload.get("id"), payload.get("admin_graphql_api_id")),
            _delivery_id(headers),
        )

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
        headers = {"X-Shopify-Hmac-Sha256": code(key.encode(), body, "base64").decode()}
        if event_type:
            headers["X-Shopify-Topic"] = event_type
        if delivery_id:
            headers["X-Shopify-Event-Id"] = delivery_id
        return headers


def _prefix(headers: Headers) -> bytes:
    return b"x-shopify-" if b"x-shopify-hmac-sha256" in headers else b"shopify-"


def _topic(headers: Headers) -> str | None:
    return header(headers, _prefix(headers) + b"topic")


def _delivery_id(headers: Headers) -> str | None:
    """The event's id, which all retries share, with the topic: one action of a merchant may send
    the same event id under several topics.
    """
    prefix = _prefix(headers)
    event_id = header(headers, prefix + b"event-id") or header(headers, prefix + b"webhook-id")
    if event_id is None:
        return None
    return identifier(f"{_topic(headers) or ''}:{event_id}")


SCHEME = Shopify()
