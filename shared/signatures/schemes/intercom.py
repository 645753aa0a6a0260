"""Intercom: HMAC-SHA1 of the body in hex, with the app's client secret.

https://developers.intercom.com/docs/webhooks/webhook-notifications
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.handshake import PONG, Handshake
from shared.signatures.macs import after_prefix, any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings


class Intercom(Scheme[SchemeSettings]):
    name = "intercom"
    summary = "Intercom's X-Hub-Signature"
    signature_headers = frozenset({"x-hub-signature"})
    settings_model = SchemeSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: SchemeSettings, now: int
    ) -> Verified:
        claimed = after_prefix(request.headers.single(b"x-hub-signature"), b"sha1=")
        if not any_genuine(key_bytes(keys), request.body, claimed, "hex", "sha1"):
            raise refusal("no X-Hub-Signature matches")
        return Verified()

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: SchemeSettings
    ) -> EventDescription:
        return EventDescription(
            event_type(payload.get("topic")),
            identifier(at(payload, "data", "item", "id")),
            identifier(payload.get("id")),
        )

    @override
    def handshake(
        self, request: SignedRequest, payload: Payload, keys: Sequence[str]
    ) -> Handshake | None:
        """Intercom sends a test notification when an address is saved."""
        return PONG if payload.get("topic") == "ping" else None

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
        signature = code(key.encode(), body, "hex", "sha1").decode()
        return {"X-Hub-Signature": f"sha1={signature}"}


SCHEME = Intercom()
