"""Paddle: `ts=…;h1=…` in one header, with one h1 for each secret that is active.

Paddle's own library allows five seconds. That is less than a slow upload or a clock that is a little
off, so five minutes are the default here too; copies are told by the event's id anyway.
https://developer.paddle.com/webhooks/signature-verification
"""

from __future__ import annotations

from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.request import SignedRequest
from shared.signatures.settings import TimestampSettings
from shared.signatures.timed_codes import TimedCodes


class Paddle(TimedCodes):
    name = "paddle"
    summary = "Paddle's Paddle-Signature"
    header = "Paddle-Signature"
    signature_headers = frozenset({"paddle-signature"})
    time, version, separator, mark = "ts", "h1", ";", b":"

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
    def _read(self, request: SignedRequest) -> tuple[bytes, list[bytes]]:
        is_joined = b"," in request.headers.single(b"paddle-signature")  # by a proxy, of two
        return (b"", []) if is_joined else super()._read(request)


SCHEME = Paddle()
