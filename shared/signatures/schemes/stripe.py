"""Stripe: `t=…,v1=…` in one header, with one v1 for each secret that is active.

The key is the whole secret as shown, `whsec_` included.
https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import secrets

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.request import SignedRequest
from shared.signatures.settings import TimestampSettings
from shared.signatures.timed_codes import TimedCodes


class Stripe(TimedCodes):
    name = "stripe"
    summary = "Stripe's Stripe-Signature"
    header = "Stripe-Signature"
    signature_headers = frozenset({"stripe-signature"})

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
    def generate_secret(self) -> str:
        return "whsec_" + secrets.token_hex(32)


SCHEME = Stripe()
