"""Calendly: `t=…,v1=…` in one header, over time and body.

https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures
"""

from __future__ import annotations

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.request import SignedRequest
from shared.signatures.settings import TimestampSettings, Tolerance
from shared.signatures.timed_codes import TimedCodes


class CalendlySettings(TimestampSettings):
    tolerance_seconds: Tolerance = 180
    """What Calendly recommends."""


class Calendly(TimedCodes):
    name = "calendly"
    summary = "Calendly's Calendly-Webhook-Signature"
    header = "Calendly-Webhook-Signature"
    signature_headers = frozenset({"calendly-webhook-signature"})
    settings_model = CalendlySettings

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        """Calendly names no delivery: copies are told by their body."""
        return EventDescription(
            event_type(payload.get("event")), identifier(at(payload, "payload", "uri")), None
        )


SCHEME = Calendly()
