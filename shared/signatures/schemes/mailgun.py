"""Mailgun: the signature stands in the body, over a time and a token. What happened is not signed.

Whoever has seen one request can put other event data beside its signature; but they are too late: the
token is the delivery's id, so a second use of it is a copy of the first. For that reason, and because
Mailgun tries again for eight hours, the window is wide.
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated

from pydantic import Field
from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    at,
    completed,
    event_type,
    fact,
    identifier,
    parsed,
)
from shared.signatures.macs import (
    any_genuine,
    code,
    is_fresh,
    key_bytes,
    parse_timestamp,
    refusal,
)
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import SchemeSettings


class MailgunSettings(SchemeSettings):
    tolerance_seconds: Annotated[int, Field(ge=1, le=86_400)] = 43_200


class Mailgun(Scheme[MailgunSettings]):
    name = "mailgun"
    summary = "Mailgun's signature in the body"
    settings_model = MailgunSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: MailgunSettings, now: int
    ) -> Verified:
        given = at(parsed(request.body), "signature")
        token, claimed = _octets(at(given, "token")), _octets(at(given, "signature"))
        signed = _octets(at(given, "timestamp")) + token
        if not any_genuine(key_bytes(keys), signed, [claimed]) or not token:
            raise refusal("signature in the body does not match")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("signature.timestamp in the body is outside the window")
        return Verified(delivery_id=identifier(token.decode("ascii")), timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: MailgunSettings) -> int | None:
        return parse_timestamp(_octets(at(parsed(request.body), "signature", "timestamp")))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: MailgunSettings
    ) -> EventDescription:
        data = payload.get("event-data")
        return EventDescription(
            event_type(at(data, "event")),
            identifier(at(data, "message", "headers", "message-id"), at(data, "id")),
            identifier(at(payload, "signature", "token")),
        )

    @override
    def complete(self, body: bytes, key: str, now: int) -> bytes:
        token = sha256(b"%d%b" % (now, body)).hexdigest()[:50]
        signature = {
            "timestamp": str(now),
            "token": token,
            "signature": code(key.encode(), f"{now}{token}".encode()).decode(),
        }
        return completed(body, signature=signature)

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: MailgunSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        """Nothing: `complete` has put the signature into the body."""
        return {}


def _octets(value: object) -> bytes:
    """A short ASCII text or number; empty for anything else."""
    text = fact(value)
    return text.encode() if text and text.isascii() and len(text) <= 255 else b""


SCHEME = Mailgun()
