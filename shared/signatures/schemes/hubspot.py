"""HubSpot, version 3: method, address, body and time in one HMAC. A body is an array of events.

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.errors import InvalidRequest
from shared.signatures.facts import EventDescription, Payload, event_type, fact, identifier
from shared.signatures.macs import (
    any_genuine,
    code,
    is_fresh,
    key_bytes,
    parse_milliseconds,
    refusal,
)
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import AddressSettings, TimestampSettings

IDENTITY = ("portalId", "subscriptionId", "eventId", "objectId", "occurredAt")
"""HubSpot does not promise that its eventId alone is unique."""


class HubSpotSettings(AddressSettings, TimestampSettings):
    pass


class HubSpot(Scheme[HubSpotSettings]):
    name = "hubspot"
    summary = "HubSpot's X-HubSpot-Signature-v3"
    signature_headers = frozenset(
        {"x-hubspot-signature-v3", "x-hubspot-signature", "x-hubspot-signature-version"}
    )
    takes_arrays = True
    settings_model = HubSpotSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: HubSpotSettings, now: int
    ) -> Verified:
        sent_at = request.headers.single(b"x-hubspot-request-timestamp")
        claimed = request.headers.single(b"x-hubspot-signature-v3")
        signed = _signed(request.method, settings.address(request), request.body, sent_at)
        if not any_genuine(key_bytes(keys), signed, [claimed], "base64"):
            raise refusal("no X-HubSpot-Signature-v3 matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("X-HubSpot-Request-Timestamp is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: HubSpotSettings) -> int | None:
        return parse_milliseconds(request.headers.single(b"x-hubspot-request-timestamp"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: HubSpotSettings
    ) -> EventDescription:
        """`attemptNumber` changes with each retry, so a copy is not told by its body."""
        parts = [fact(payload.get(name)) or "" for name in IDENTITY]
        has_id = fact(payload.get("eventId")) is not None
        return EventDescription(
            event_type(payload.get("subscriptionType")),
            identifier(payload.get("objectId")),
            identifier(":".join(parts)) if has_id else None,
        )

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: HubSpotSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        """For an endpoint whose settings say its address."""
        if settings.public_url is None:
            raise InvalidRequest("publicUrl is signed, so it must be known")
        sent_at = b"%d000" % now
        signed = _signed("POST", settings.public_url, body, sent_at)
        return {
            "X-HubSpot-Request-Timestamp": sent_at.decode(),
            "X-HubSpot-Signature-v3": code(key.encode(), signed, "base64").decode(),
        }


def _signed(method: str, address: str, body: bytes, sent_at: bytes) -> bytes:
    return f"{method}{address}".encode("utf-8", "surrogatepass") + body + sent_at


SCHEME = HubSpot()
