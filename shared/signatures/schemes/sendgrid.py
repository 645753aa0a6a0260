"""SendGrid's event webhook: ECDSA over time and body. A body is an array of events.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, event_type, identifier
from shared.signatures.macs import is_fresh, parse_timestamp, refusal
from shared.signatures.public_keys import from_base64, p256_key, sign_with, verify_ecdsa
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings


def _usable(key: str) -> str:
    try:
        p256_key(key)
    except Exception:  # noqa: BLE001 (the library raises errors of its own for odd keys)
        raise ValueError("it must be a public key on the curve P-256, in base64") from None
    return key


class SendGridSettings(TimestampSettings):
    public_key: (
        Annotated[str, StringConstraints(max_length=1000), AfterValidator(_usable)] | None
    ) = None
    """The verification key that SendGrid shows, in base64. Nothing is genuine until it is set."""


class SendGrid(Scheme[SendGridSettings]):
    name = "sendgrid"
    summary = "SendGrid's X-Twilio-Email-Event-Webhook-Signature"
    signature_headers = frozenset({"x-twilio-email-event-webhook-signature"})
    needs_secret = False
    has_private_key = True
    takes_arrays = True
    settings_model = SendGridSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: SendGridSettings, now: int
    ) -> Verified:
        if settings.public_key is None:
            raise refusal("publicKey is not set")
        headers = request.headers
        signature = from_base64(headers.single(b"x-twilio-email-event-webhook-signature"))
        signed = headers.single(b"x-twilio-email-event-webhook-timestamp") + request.body
        if not verify_ecdsa(p256_key(settings.public_key), signature, signed):
            raise refusal("X-Twilio-Email-Event-Webhook-Signature does not match")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("X-Twilio-Email-Event-Webhook-Timestamp is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: SendGridSettings) -> int | None:
        return parse_timestamp(request.headers.single(b"x-twilio-email-event-webhook-timestamp"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: SendGridSettings
    ) -> EventDescription:
        return EventDescription(
            event_type(payload.get("event")),
            identifier(payload.get("sg_message_id")),
            identifier(payload.get("sg_event_id")),
        )

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: SendGridSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        signature = b64encode(sign_with(key, b"%d%b" % (now, body))).decode()
        return {
            "X-Twilio-Email-Event-Webhook-Timestamp": str(now),
            "X-Twilio-Email-Event-Webhook-Signature": signature,
        }


SCHEME = SendGrid()
