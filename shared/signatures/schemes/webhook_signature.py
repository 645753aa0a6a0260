"""Senders with `X-Webhook-Signature`: HMAC-SHA256 of the body in hex, bare or after `sha256=`."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    described_by_convention,
    header,
    headers_by_convention,
)
from shared.signatures.macs import any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import FactSettings


class WebhookSignature(Scheme[FactSettings]):
    name = "webhook_signature"
    summary = "X-Webhook-Signature: hex, with or without sha256="
    signature_headers = frozenset({"x-webhook-signature"})
    settings_model = FactSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: FactSettings, now: int
    ) -> Verified:
        claimed = request.headers.single(b"x-webhook-signature").removeprefix(b"sha256=")
        if not any_genuine(key_bytes(keys), request.body, [claimed]):
            raise refusal("no X-Webhook-Signature matches")
        return Verified(event_type=header(request.headers, b"x-webhook-event"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: FactSettings
    ) -> EventDescription:
        headers = request.headers
        named = header(headers, b"x-webhook-event")
        return described_by_convention(headers, payload, settings, named)

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: FactSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        headers = headers_by_convention(settings, event_type, delivery_id)
        headers["X-Webhook-Signature"] = f"sha256={code(key.encode(), body).decode()}"
        if event_type and not settings.event_type_header:
            headers["X-Webhook-Event"] = event_type
        return headers


SCHEME = WebhookSignature()
