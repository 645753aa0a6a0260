"""Slack: HMAC-SHA256 of version, timestamp and body.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    at,
    event_type,
    fact,
    identifier,
)
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

MAX_CHALLENGE_LENGTH = 255


class Slack(Scheme[TimestampSettings]):
    name = "slack"
    summary = "Slack's X-Slack-Signature"
    signature_headers = frozenset({"x-slack-signature"})
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        sent_at = request.headers.single(b"x-slack-request-timestamp")
        claimed = after_prefix(request.headers.single(b"x-slack-signature"), b"v0=")
        if not any_genuine(key_bytes(keys), _signed(sent_at, request.body), claimed):
            raise refusal("no X-Slack-Signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("X-Slack-Request-Timestamp is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return parse_timestamp(request.headers.single(b"x-slack-request-timestamp"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        channel, ts = fact(at(payload, "event", "channel")), fact(at(payload, "event", "ts"))
        return EventDescription(
            event_type(at(payload, "event", "type"), payload.get("type")),
            # Slack knows a message by these two together.
            identifier(f"{channel}:{ts}") if channel and ts else None,
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
        sent_at = str(now)
        signature = code(key.encode(), _signed(sent_at.encode(), body)).decode()
        return {"X-Slack-Request-Timestamp": sent_at, "X-Slack-Signature": f"v0={signature}"}

    @override
    def handshake(
        self, request: SignedRequest, payload: Payload, keys: Sequence[str]
    ) -> Handshake | None:
        """Slack wants its challenge back before it sends events to a URL."""
        challenge = payload.get("challenge")
        if payload.get("type") != "url_verification" or not isinstance(challenge, str):
            return None
        if len(challenge) > MAX_CHALLENGE_LENGTH:
            return None
        return Handshake(json={"challenge": challenge})


def _signed(sent_at: bytes, body: bytes) -> bytes:
    return b"v0:%b:%b" % (sent_at, body)


SCHEME = Slack()
