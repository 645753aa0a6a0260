"""The Chatbots platform: `X-Chatbots-Signature: sha256=…`, HMAC-SHA256 of the body."""

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
from shared.signatures.macs import after_prefix, any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import FactSettings


class Chatbots(Scheme[FactSettings]):
    name = "chatbots"
    summary = "X-Chatbots-Signature: sha256= and hex"
    signature_headers = frozenset({"x-chatbots-signature"})
    settings_model = FactSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: FactSettings, now: int
    ) -> Verified:
        claimed = after_prefix(request.headers.single(b"x-chatbots-signature"), b"sha256=")
        if not any_genuine(key_bytes(keys), request.body, claimed):
            raise refusal("no X-Chatbots-Signature matches")
        return Verified(event_type=header(request.headers, b"x-chatbots-event"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: FactSettings
    ) -> EventDescription:
        """X-Chatbots-Delivery is not used: it names the attempt, so each retry has another."""
        headers = request.headers
        named = header(headers, b"x-chatbots-event")
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
        headers["X-Chatbots-Signature"] = f"sha256={code(key.encode(), body).decode()}"
        if event_type and not settings.event_type_header:
            headers["X-Chatbots-Event"] = event_type
        return headers


SCHEME = Chatbots()
