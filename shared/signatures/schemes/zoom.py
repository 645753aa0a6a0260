"""Zoom: HMAC-SHA256 of version, time and body, with the app's secret token.

https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.handshake import Handshake
from shared.signatures.macs import (
    after_prefix,
    any_genuine,
    code,
    is_fresh,
    key_bytes,
    parse_timestamp,
    refusal,
)
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings

MAX_TOKEN_LENGTH = 255


class Zoom(Scheme[TimestampSettings]):
    name = "zoom"
    summary = "Zoom's x-zm-signature"
    signature_headers = frozenset({"x-zm-signature"})
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        if not _is_genuine(request, keys):
            raise refusal("no x-zm-signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("x-zm-request-timestamp is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return parse_timestamp(request.headers.single(b"x-zm-request-timestamp"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        """Zoom names no delivery: copies are told by their body."""
        record = at(payload, "payload", "object")
        return EventDescription(
            event_type(payload.get("event")), identifier(at(record, "uuid"), at(record, "id")), None
        )

    @override
    def handshake(
        self, request: SignedRequest, payload: Payload, keys: Sequence[str]
    ) -> Handshake | None:
        """Zoom wants its token back with a code of it, under the key that it signed with."""
        token = at(payload, "payload", "plainToken")
        if payload.get("event") != "endpoint.url_validation" or not isinstance(token, str):
            return None
        signing = [key for key in keys if _is_genuine(request, [key])]
        if not signing or len(token) > MAX_TOKEN_LENGTH:
            return None
        encrypted = code(signing[0].encode(), token.encode("utf-8", "replace")).decode()
        return Handshake(json={"plainToken": token, "encryptedToken": encrypted})

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
        sent_at = str(now)
        signature = code(key.encode(), _signed(sent_at.encode(), body)).decode()
        return {"x-zm-request-timestamp": sent_at, "x-zm-signature": f"v0={signature}"}


def _is_genuine(request: SignedRequest, keys: Sequence[str]) -> bool:
    sent_at = request.headers.single(b"x-zm-request-timestamp")
    claimed = after_prefix(request.headers.single(b"x-zm-signature"), b"v0=")
    return any_genuine(key_bytes(keys), _signed(sent_at, request.body), claimed)


def _signed(sent_at: bytes, body: bytes) -> bytes:
    return b"v0:%b:%b" % (sent_at, body)


SCHEME = Zoom()
