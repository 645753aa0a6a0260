"""Square: base64 HMAC-SHA256 of the address, exactly as it is set at Square, and the body.

https://developer.squareup.com/docs/webhooks/step3validate
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.errors import InvalidRequest
from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.macs import any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import AddressSettings


class Square(Scheme[AddressSettings]):
    name = "square"
    summary = "Square's x-square-hmacsha256-signature"
    signature_headers = frozenset({"x-square-hmacsha256-signature", "x-square-signature"})
    settings_model = AddressSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: AddressSettings, now: int
    ) -> Verified:
        claimed = request.headers.single(b"x-square-hmacsha256-signature")
        signed = _signed(settings.address(request), request.body)
        if not any_genuine(key_bytes(keys), signed, [claimed], "base64"):
            raise refusal("no x-square-hmacsha256-signature matches")
        return Verified()

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: AddressSettings
    ) -> EventDescription:
        return EventDescription(
            event_type(payload.get("type")),
            identifier(at(payload, "data", "id")),
            identifier(payload.get("event_id")),
        )

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: AddressSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        """For an endpoint whose settings say its address."""
        if settings.public_url is None:
            raise InvalidRequest("publicUrl is signed, so it must be known")
        signed = _signed(settings.public_url, body)
        return {"x-square-hmacsha256-signature": code(key.encode(), signed, "base64").decode()}


def _signed(address: str, body: bytes) -> bytes:
    return address.encode("utf-8", "surrogatepass") + body


SCHEME = Square()
