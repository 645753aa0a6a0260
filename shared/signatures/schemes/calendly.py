"""Calendly: `t=…,v1=…` in one header, over time and body.

https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures
"""

from __future__ import annotations

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
from shared.signatures.settings import SchemeSettings, Tolerance


class CalendlySettings(SchemeSettings):
    tolerance_seconds: Tolerance = 180
    """What Calendly recommends."""


class Calendly(Scheme[CalendlySettings]):
    name = "calendly"
    summary = "Calendly's Calendly-Webhook-Signature"
    signature_headers = frozenset({"calendly-webhook-signature"})
    settings_model = CalendlySettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: CalendlySettings, now: int
    ) -> Verified:
        sent_at, claimed = _read(request)
        if not any_genuine(key_bytes(keys), b"%b.%b" % (sent_at, request.body), claimed):
            raise refusal("no v1 in Calendly-Webhook-Signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("t in Calendly-Webhook-Signature is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: CalendlySettings) -> int | None:
        return parse_timestamp(_read(request)[0])

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: CalendlySettings
    ) -> EventDescription:
        """Calendly names no delivery: copies are told by their body."""
        return EventDescription(
            event_type(payload.get("event")), identifier(at(payload, "payload", "uri")), None
        )

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: CalendlySettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        signature = code(key.encode(), b"%d.%b" % (now, body)).decode()
        return {"Calendly-Webhook-Signature": f"t={now},v1={signature}"}


def _read(request: SignedRequest) -> tuple[bytes, list[bytes]]:
    return time_and_codes(request.headers.single(b"calendly-webhook-signature"), b",", b"t", b"v1")


SCHEME = Calendly()
