"""Typeform: base64 HMAC-SHA256 of the body after `sha256=`.

https://www.typeform.com/developers/webhooks/secure-your-webhooks/
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.macs import after_prefix, any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings


class Typeform(Scheme[SchemeSettings]):
    name = "typeform"
    summary = "Typeform's Typeform-Signature"
    signature_headers = frozenset({"typeform-signature"})
    settings_model = SchemeSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: SchemeSettings, now: int
    ) -> Verified:
        claimed = after_prefix(request.headers.single(b"typeform-signature"), b"sha256=")
        if not any_genuine(key_bytes(keys), request.body, claimed, "base64"):
            raise refusal("no Typeform-Signature matches")
        return Verified()

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: SchemeSettings
    ) -> EventDescription:
        return EventDescription(
            event_type(payload.get("event_type")),
            identifier(at(payload, "form_response", "token")),
            identifier(payload.get("event_id")),
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
        signature = code(key.encode(), body, "base64").decode()
        return {"Typeform-Signature": f"sha256={signature}"}


SCHEME = Typeform()
