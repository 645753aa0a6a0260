"""Paddle: `ts=…;h1=…` in one header, with one h1 for each secret that is active.

Paddle's own library allows five seconds. That is less than a slow upload or a clock that is a little
off, so five minutes are the default here too; copies are told by the event's id anyway.
https://developer.paddle.com/webhooks/signature-verification
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
from shared.signatures.settings import TimestampSettings


class Paddle(Scheme[TimestampSettings]):
    name = "paddle"
    summary = "Paddle's Paddle-Signature"
    signature_headers = frozenset({"paddle-signature"})
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        sent_at, claimed = _read(request)
        if not any_genuine(key_bytes(keys), b"%b:%b" % (sent_at, request.body), claimed):
            raise refusal("no h1 in Paddle-Signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("ts in Paddle-Signature is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return parse_timestamp(_read(request)[0])

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        return EventDescription(
            event_type(payload.get("event_type")),
            identifier(at(payload, "data", "id")),
            identifier(payload.get("event_id")),
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
        signature = code(key.encode(), b"%d:%b" % (now, body)).decode()
        return {"Paddle-Signature": f"ts={now};h1={signature}"}


def _read(request: SignedRequest) -> tuple[bytes, list[bytes]]:
    value = request.headers.single(b"paddle-signature")
    if b"," in value:  # a repeated header that a proxy has joined
        return b"", []
    return time_and_codes(value, b";", b"ts", b"h1")


SCHEME = Paddle()
