"""Stripe: `t=…,v1=…` in one header, with one v1 for each secret that is active.

The key is the whole secret as shown, `whsec_` included.
https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.macs import (
    any_genuine,
    code,
    is_fresh,
    key_bytes,
    parse_timestamp,
    refusal,
    time_and_codes,
)
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings


class Stripe(Scheme[TimestampSettings]):
    name = "stripe"
    summary = "Stripe's Stripe-Signature"
    signature_headers = frozenset({"stripe-signature"})
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        sent_at, claimed = _read(request)
        if not any_genuine(key_bytes(keys), b"%b.%b" % (sent_at, request.body), claimed):
            raise refusal("no v1 in Stripe-Signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("t in Stripe-Signature is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return parse_timestamp(_read(request)[0])

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        return EventDescription(
            event_type(payload.get("type")),
            identifier(at(payload, "data", "object", "id")),
            identifier(payload.get("id")),
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
        signature = code(key.encode(), b"%d.%b" % (now, body)).decode()
        return {"Stripe-Signature": f"t={now},v1={signature}"}

    @override
    def generate_secret(self) -> str:
        return "whsec_" + secrets.token_hex(32)


def _read(request: SignedRequest) -> tuple[bytes, list[bytes]]:
    return time_and_codes(request.headers.single(b"stripe-signature"), b",", b"t", b"v1")


SCHEME = Stripe()
