"""Standard Webhooks, and Svix under its own header names.

A key is either a shared secret (`whsec_` and base64, signatures `v1`) or the sender's Ed25519
public key (`whpk_` and base64, signatures `v1a`). The stored key decides which signatures count,
never the header.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import binascii
import hashlib
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence

from typing_extensions import override

from shared.errors import InvalidRequest
from shared.signatures.facts import (
    EventDescription,
    Payload,
    event_type,
    header,
    identifier,
    record_id,
)
from shared.signatures.macs import any_genuine, code, is_fresh, parse_timestamp, refusal
from shared.signatures.request import Headers, SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import TimestampSettings

SECRET_PREFIX = "whsec_"  # noqa: S105
PUBLIC_KEY_PREFIX = "whpk_"


class StandardWebhooks(Scheme[TimestampSettings]):
    name = "standard_webhooks"
    summary = "Standard Webhooks, and Svix: webhook-id, webhook-timestamp, webhook-signature"
    signature_headers = frozenset({"webhook-signature", "svix-signature"})
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        headers = request.headers
        prefix = _prefix(headers)
        message_id = headers.single(prefix + b"id")
        sent_at = headers.single(prefix + b"timestamp")
        items = _items(headers.single(prefix + b"signature"))
        signed = b"%b.%b.%b" % (message_id, sent_at, request.body)
        genuine = any_genuine(_shared_keys(keys), signed, _of_version(items, b"v1,"), "base64")
        for public_key in _public_keys(keys):
            genuine |= _any_ed25519(public_key, signed, _of_version(items, b"v1a,"))
        if not genuine or not message_id:
            raise refusal("no webhook-signature matches")
        timestamp = self.sent_at(request, settings)
        if not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("webhook-timestamp is outside the window")
        return Verified(
            delivery_id=identifier(header(headers, prefix + b"id")), timestamp=timestamp
        )

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return parse_timestamp(request.headers.single(_prefix(request.headers) + b"timestamp"))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        get = payload.get
        name = event_type(get("type"), get("event_type"), get("event"))
        return EventDescription(
            name,
            record_id(payload, name),
            identifier(header(request.headers, _prefix(request.headers) + b"id")),
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
        """Without a `delivery_id` the id is made from the body and the time."""
        shared_keys = _shared_keys([key])
        if not shared_keys:
            raise InvalidRequest("Only a whsec_ secret can sign")
        message_id = delivery_id or "msg_" + hashlib.sha256(b"%d.%b" % (now, body)).hexdigest()[:27]
        signed = b"%b.%d.%b" % (message_id.encode(), now, body)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": f"v1,{code(shared_keys[0], signed, 'base64').decode()}",
        }

    @override
    def check_secret(self, secret: str) -> None:
        super().check_secret(secret)
        if secret.startswith(PUBLIC_KEY_PREFIX):
            if not _public_keys([secret]):
                raise InvalidRequest("The public key must be whpk_ and 32 bytes in base64")
        elif not _shared_keys([secret]):
            raise InvalidRequest("The secret must be whsec_ and a text in base64")

    @override
    def generate_secret(self) -> str:
        return SECRET_PREFIX + b64encode(secrets.token_bytes(32)).decode()


def _prefix(headers: Headers) -> bytes:
    return b"webhook-" if b"webhook-signature" in headers else b"svix-"


def _items(value: bytes) -> list[bytes]:
    """The signatures with their versions. None at all if one is malformed, as in a repeated header
    that a proxy has joined by commas.
    """
    items = value.split(b" ")
    return items if all(item.count(b",") == 1 for item in items) else []


def _of_version(items: list[bytes], version: bytes) -> list[bytes]:
    return [item[len(version) :] for item in items if item.startswith(version)]


def _shared_keys(keys: Sequence[str]) -> list[bytes]:
    texts = [key.removeprefix(SECRET_PREFIX).encode() for key in keys if not _is_public(key)]
    return [key for key in map(_decoded, texts) if key]


def _public_keys(keys: Sequence[str]) -> list[bytes]:
    texts = [key.removeprefix(PUBLIC_KEY_PREFIX).encode() for key in keys if _is_public(key)]
    return [key for key in map(_decoded, texts) if len(key) == 32]


def _is_public(key: str) -> bool:
    return key.startswith(PUBLIC_KEY_PREFIX)


def _decoded(text: bytes) -> bytes:
    """The bytes behind base64, with or without its padding; none if it is not base64."""
    try:
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""


def _any_ed25519(public_key: bytes, signed: bytes, claimed: list[bytes]) -> bool:
    # Only the few endpoints with a public key pay for this import.
    from cryptography.exceptions import InvalidSignature as NotGenuine  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    genuine = False
    verifier = Ed25519PublicKey.from_public_bytes(public_key)
    for candidate in claimed[:8]:
        signature = _decoded(candidate)
        if b64encode(signature) != candidate:
            continue  # another spelling of the same bytes
        try:
            verifier.verify(signature, signed)
        except NotGenuine:
            continue
        genuine = True
    return genuine


SCHEME = StandardWebhooks()
