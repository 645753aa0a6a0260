"""Requests as senders make them, for the tests of every scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.signatures import SCHEMES, EventDescription, Headers, SignedRequest, Verified
from shared.signatures.scheme import Scheme
from tests.shared.signatures.key_pairs import (
    DISCORD_PUBLIC,
    PAYPALS,
    PRIVATE_KEYS,
    SENDGRID_PUBLIC,
    certificate_of,
)

NOW = 1_780_000_000
BODY = b'{"event_type":"contact.created","external_id":"cust_123","data":{"name":"Zo\xc3\xab"}}'
URL = "https://hooks.example.com/functions/v1/ingest/it"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

SETTINGS: dict[str, dict[str, object]] = {
    "basic": {"username": "ada"},
    "discord": {"publicKey": DISCORD_PUBLIC},
    "hmac": {
        "header": "X-Signature",
        "prefix": "sha256=",
        "template": "{id}.{timestamp}.{body}",
        "timestampHeader": "X-Timestamp",
        "deliveryIdHeader": "X-Id",
    },
    "hubspot": {"publicUrl": URL},
    "meta": {"verifyToken": "a-token-of-ours"},
    "paypal": {"webhookId": "9XL90610J3647323C", "certificates": [certificate_of(PAYPALS)]},
    "sendgrid": {"publicKey": SENDGRID_PUBLIC},
    "square": {"publicUrl": URL},
    "twilio": {"publicUrl": URL},
}
"""Settings for the schemes that cannot do without, or sign for an address."""

PAYLOADS = Path(__file__).parents[2] / "payloads"

Pairs = Mapping[str, str] | list[tuple[str, str]]


def payload(vendor: str, event: str) -> bytes:
    return (PAYLOADS / vendor / f"{event}.json").read_bytes()


def request(
    headers: Pairs, body: bytes = BODY, query: str = "", *, method: str = "POST", url: str = URL
) -> SignedRequest:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return SignedRequest(method, url, Headers(pairs), body, query)


@dataclass(frozen=True)
class Sent:
    """What a vendor sends for one event."""

    headers: Pairs
    body: bytes
    query: str = ""


class Sender:
    """One vendor with one secret, sending to one endpoint."""

    def __init__(self, scheme: str, secret: str | None = None, **settings: object) -> None:
        self.scheme: Scheme[Any] = SCHEMES[scheme]
        made = PRIVATE_KEYS.get(scheme) or self.scheme.generate_secret()
        self.secret = made if secret is None else secret
        self.settings = self.scheme.settings({**SETTINGS.get(scheme, {}), **settings})

    def headers(self, body: bytes = BODY, now: int = NOW, **facts: str) -> dict[str, str]:
        return self.scheme.sign(body, self.secret, self.settings, now, **facts)

    def send(self, body: bytes = BODY, now: int = NOW, **facts: str) -> Sent:
        """All that the vendor sends, with what it writes into the body and the address."""
        complete = self.scheme.complete(body, self.secret, now)
        return Sent(self.headers(complete, now, **facts), complete, self.scheme.query(complete))

    def accept(self, sent: Sent, *, keys: list[str] | None = None, now: int = NOW) -> Verified:
        """What the endpoint makes of it; raises InvalidSignature."""
        accepted = [self.secret] if keys is None else keys
        received = request(sent.headers, sent.body, sent.query)
        return self.scheme.verify(received, accepted, self.settings, now)

    def verify(
        self,
        headers: Pairs,
        body: bytes = BODY,
        *,
        keys: list[str] | None = None,
        now: int = NOW,
    ) -> Verified:
        return self.accept(Sent(headers, body), keys=keys, now=now)

    def describe(
        self, payload: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> EventDescription:
        return self.scheme.describe(request(headers or {}), payload, self.settings)
