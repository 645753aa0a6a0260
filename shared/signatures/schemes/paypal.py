"""PayPal: RSA over the transmission's id and time, the webhook's id and the body's CRC-32.

The certificate is among the settings: whoever sets the endpoint up fetches it once, over TLS, from the
PAYPAL-CERT-URL on paypal.com. That header is never followed here, nor PAYPAL-AUTH-ALGO believed. When
PayPal changes its certificate, add the new one; requests are refused until then.

A CRC-32 is easy to forge: whoever has seen one request can make another body that fits its signature.
They have until the signature is too old, so keep `toleranceSeconds` small.
https://developer.paypal.com/api/rest/webhooks/rest/
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import override

from shared.signatures.facts import EventDescription, Payload, at, event_type, identifier
from shared.signatures.macs import is_fresh, iso_time, parse_iso_time, refusal
from shared.signatures.public_keys import certificate, from_base64, sign_with, verify_rsa
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

COMMON_NAMES = frozenset(
    {"messageverificationcerts.paypal.com", "messageverificationcerts.sandbox.paypal.com"}
)
"""Of the certificates that PayPal signs webhooks with, and its sandbox."""


def _paypals(pem: str) -> str:
    """Raises ValueError for what cannot be PayPal's certificate."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    try:
        given = certificate(pem)
        is_rsa = isinstance(given.public_key(), RSAPublicKey)
    except Exception:  # noqa: BLE001 (the library raises errors of its own for odd certificates)
        raise ValueError("it must be a certificate as PEM") from None
    names = [str(name.value) for name in given.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(names) != 1 or names[0] not in COMMON_NAMES:
        raise ValueError("it must be the certificate of messageverificationcerts.paypal.com")
    if not is_rsa:
        raise ValueError("it must hold an RSA key")
    return pem


Certificate = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_paypals)]


class PayPalSettings(TimestampSettings):
    webhook_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,50}$")] | None = None
    """PayPal shows it once the webhook is there. Nothing is genuine until it is set."""
    certificates: Annotated[tuple[Certificate, ...], Field(max_length=4)] = ()
    """As PEM; several while PayPal changes from one to the next. Nothing is genuine without one."""


class PayPal(Scheme[PayPalSettings]):
    name = "paypal"
    summary = "PayPal's PAYPAL-TRANSMISSION-SIG"
    signature_headers = frozenset({"paypal-transmission-sig", "paypal-auth-algo"})
    needs_secret = False
    has_private_key = True
    settings_model = PayPalSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: PayPalSettings, now: int
    ) -> Verified:
        if settings.webhook_id is None or not settings.certificates:
            raise refusal("webhookId or certificates are not set")
        headers = request.headers
        transmission = headers.single(b"paypal-transmission-id")
        sent_at = headers.single(b"paypal-transmission-time")
        signature = from_base64(headers.single(b"paypal-transmission-sig"))
        signed = _signed(transmission, sent_at, settings.webhook_id, request.body)
        genuine = False
        for key in _keys_valid_at(now, settings.certificates):
            genuine |= verify_rsa(key, signature, signed)
        if not genuine or not transmission:
            raise refusal("PAYPAL-TRANSMISSION-SIG matches no certificate that is set and valid")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("PAYPAL-TRANSMISSION-TIME is outside the window")
        return Verified(timestamp=timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: PayPalSettings) -> int | None:
        return parse_iso_time(request.headers.single(b"paypal-transmission-time"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: PayPalSettings
    ) -> EventDescription:
        """The transmission's id is another for each attempt; the event's is the same."""
        return EventDescription(
            event_type(payload.get("event_type")),
            identifier(at(payload, "resource", "id")),
            identifier(payload.get("id")),
        )

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: PayPalSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        transmission, sent_at = f"transmission-{now}", iso_time(now)
        webhook_id = settings.webhook_id or ""
        signed = _signed(transmission.encode(), sent_at.encode(), webhook_id, body)
        return {
            "PAYPAL-TRANSMISSION-ID": transmission,
            "PAYPAL-TRANSMISSION-TIME": sent_at,
            "PAYPAL-TRANSMISSION-SIG": b64encode(sign_with(key, signed)).decode(),
        }


def _signed(transmission: bytes, sent_at: bytes, webhook_id: str, body: bytes) -> bytes:
    return b"%b|%b|%b|%d" % (transmission, sent_at, webhook_id.encode(), zlib.crc32(body))


def _keys_valid_at(now: int, certificates: Sequence[str]) -> list[RSAPublicKey]:
    """The keys of those certificates that have begun and not expired."""
    keys = []
    for given in map(certificate, certificates):
        begins, ends = given.not_valid_before_utc, given.not_valid_after_utc
        if begins.timestamp() <= now <= ends.timestamp():
            keys.append(given.public_key())
    return keys  # type: ignore[return-value] # RSA, as the settings were checked to be


SCHEME = PayPal()
