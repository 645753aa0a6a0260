"""Requests as senders make them, for the tests of every scheme."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.signatures import SCHEMES, EventDescription, Headers, SignedRequest, Verified
from shared.signatures.scheme import Scheme

NOW = 1_780_000_000
BODY = b'{"event_type":"contact.created","external_id":"cust_123","data":{"name":"Zo\xc3\xab"}}'

SETTINGS: dict[str, dict[str, object]] = {
    "hmac": {
        "header": "X-Signature",
        "prefix": "sha256=",
        "template": "{id}.{timestamp}.{body}",
        "timestampHeader": "X-Timestamp",
        "deliveryIdHeader": "X-Id",
    }
}
"""Settings for the schemes that cannot do without."""

PAYLOADS = Path(__file__).parents[2] / "payloads"


def payload(vendor: str, event: str) -> bytes:
    return (PAYLOADS / vendor / f"{event}.json").read_bytes()


def request(
    headers: Mapping[str, str] | list[tuple[str, str]], body: bytes = BODY
) -> SignedRequest:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return SignedRequest(
        "POST", "https://hooks.example.com/functions/v1/ingest/it", Headers(pairs), body
    )


class Sender:
    """One vendor with one secret, sending to one endpoint."""

    def __init__(self, scheme: str, secret: str | None = None, **settings: object) -> None:
        self.scheme: Scheme[Any] = SCHEMES[scheme]
        self.secret = self.scheme.generate_secret() if secret is None else secret
        self.settings = self.scheme.settings({**SETTINGS.get(scheme, {}), **settings})

    def headers(self, body: bytes = BODY, now: int = NOW, **facts: str) -> dict[str, str]:
        return self.scheme.sign(body, self.secret, self.settings, now, **facts)

    def verify(
        self,
        headers: Mapping[str, str] | list[tuple[str, str]],
        body: bytes = BODY,
        *,
        keys: list[str] | None = None,
        now: int = NOW,
    ) -> Verified:
        accepted = [self.secret] if keys is None else keys
        return self.scheme.verify(request(headers, body), accepted, self.settings, now)

    def describe(
        self, payload: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> EventDescription:
        return self.scheme.describe(request(headers or {}), payload, self.settings)
