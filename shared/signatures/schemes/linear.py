"""Linear: HMAC-SHA256 of the body, in which the time stands too.

https://linear.app/developers/webhooks#securing-webhooks
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    at,
    completed,
    event_type,
    fact,
    header,
    identifier,
    parsed,
)
from shared.signatures.macs import any_genuine, code, is_fresh, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings, Tolerance


class LinearSettings(SchemeSettings):
    tolerance_seconds: Tolerance = 60
    """What Linear recommends."""


class Linear(Scheme[LinearSettings]):
    name = "linear"
    summary = "Linear's Linear-Signature"
    signature_headers = frozenset({"linear-signature"})
    settings_model = LinearSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: LinearSettings, now: int
    ) -> Verified:
        claimed = request.headers.single(b"linear-signature")
        if not any_genuine(key_bytes(keys), request.body, [claimed]):
            raise refusal("no Linear-Signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("webhookTimestamp in the body is outside the window")
        return Verified(
            delivery_id=identifier(header(request.headers, b"linear-delivery")), timestamp=timestamp
        )

    @override
    def sent_at(self, request: SignedRequest, settings: LinearSettings) -> int | None:
        """The header Linear-Timestamp says the same, unsigned."""
        milliseconds = at(parsed(request.body), "webhookTimestamp")
        if isinstance(milliseconds, bool) or not isinstance(milliseconds, int):
            return None
        return milliseconds // 1000

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: LinearSettings
    ) -> EventDescription:
        name, action = fact(payload.get("type")), fact(payload.get("action"))
        return EventDescription(
            event_type(f"{name}.{action}" if name and action else name),
            identifier(at(payload, "data", "id")),
            identifier(header(request.headers, b"linear-delivery")),
        )

    @override
    def complete(self, body: bytes, key: str, now: int) -> bytes:
        return completed(body, webhookTimestamp=now * 1000)

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: LinearSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        headers = {"Linear-Signature": code(key.encode(), body).decode()}
        if delivery_id:
            headers["Linear-Delivery"] = delivery_id
        return headers


SCHEME = Linear()
