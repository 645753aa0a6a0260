"""Zendesk: base64 HMAC-SHA256 of time and body. The time is ISO 8601.

https://developer.zendesk.com/documentation/webhooks/verifying/
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, header, identifier
from shared.signatures.macs import (
    any_genuine,
    code,
    is_fresh,
    iso_time,
    key_bytes,
    parse_iso_time,
    refusal,
)
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings


class Zendesk(Scheme[TimestampSettings]):
    name = "zendesk"
    summary = "Zendesk's X-Zendesk-Webhook-Signature"
    signature_headers = frozenset({"x-zendesk-webhook-signature"})
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        headers = request.headers
        signed = headers.single(b"x-zendesk-webhook-signature-timestamp") + request.body
        claimed = headers.single(b"x-zendesk-webhook-signature")
        if not any_genuine(key_bytes(keys), signed, [claimed], "base64"):
            raise refusal("no X-Zendesk-Webhook-Signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("X-Zendesk-Webhook-Signature-Timestamp is outside the window")
        return Verified(delivery_id=_invocation(request), timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return parse_iso_time(request.headers.single(b"x-zendesk-webhook-signature-timestamp"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        return EventDescription(
            event_type(payload.get("type")),
            identifier(at(payload, "detail", "id"), payload.get("subject")),
            _invocation(request),
        )

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: TimestampSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        sent_at = iso_time(now)
        headers = {
            "X-Zendesk-Webhook-Signature-Timestamp": sent_at,
            "X-Zendesk-Webhook-Signature": code(
                key.encode(), sent_at.encode() + body, "base64"
            ).decode(),
        }
        if delivery_id:
            headers["X-Zendesk-Webhook-Invocation-Id"] = delivery_id
        return headers


def _invocation(request: SignedRequest) -> str | None:
    return identifier(header(request.headers, b"x-zendesk-webhook-invocation-id"))


SCHEME = Zendesk()
