"""Twilio: HMAC of the address and, for a form, its fields in order; for JSON, the address names the
body's hash.

Names and values of a form are joined without marks between them, so Twilio's signature cannot tell
`a=bc` from `ab=c`.
https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from shared.errors import InvalidRequest
from shared.forms import form_fields
from shared.signatures.facts import (
    EventDescription,
    Payload,
    event_type,
    fact,
    header,
    identifier,
)
from shared.signatures.macs import any_genuine, code, key_bytes, refusal
from shared.signatures.request import SignedRequest, is_form
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import AddressSettings

PRODUCTS: Mapping[str, tuple[str, Sequence[str]]] = {
    "MessageSid": ("message", ("MessageStatus", "SmsStatus")),
    "CallSid": ("call", ("RecordingStatus", "TranscriptionStatus", "CallStatus")),
    "ConversationSid": ("conversation", ("EventType",)),
    "VerificationSid": ("verification", ("VerificationStatus",)),
}
"""By the id that a form carries: what it is about, and which fields tell what happened to it."""


_PORT = re.compile(r":[0-9]*$")
"""Of a host, which may be an IPv6 address in brackets."""


class TwilioSettings(AddressSettings):
    algorithm: Literal["sha1", "sha256"] = "sha1"
    """`sha256` if the secret is a shared key of Twilio's and no auth token."""


class Twilio(Scheme[TwilioSettings]):
    name = "twilio"
    summary = "Twilio's X-Twilio-Signature"
    signature_headers = frozenset({"x-twilio-signature", "x-twilio-webhooks-signature-settings"})
    takes_forms = True
    takes_arrays = True
    settings_model = TwilioSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TwilioSettings, now: int
    ) -> Verified:
        claimed = request.headers.single(b"x-twilio-signature")
        fields = _fields(request)
        genuine = False
        for address in _spellings(settings.address(request)):
            signed = (address + "".join(fields or ())).encode("utf-8", "surrogatepass")
            genuine |= any_genuine(key_bytes(keys), signed, [claimed], "base64", settings.algorithm)
        if not genuine:
            raise refusal("no X-Twilio-Signature matches")
        if fields is None:
            raise refusal("the form is malformed")
        if not _has_signed_body(request):
            raise refusal("bodySHA256 in the address is not that of the body")
        return Verified(delivery_id=_token(request))

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TwilioSettings
    ) -> EventDescription:
        """Of a form, or of one of the CloudEvents that Event Streams sends."""
        if "specversion" in payload:
            event_id = identifier(payload.get("id"))
            return EventDescription(event_type(payload.get("type")), event_id, event_id)
        for sid, (product, states) in PRODUCTS.items():
            if sid in payload:
                state = next(filter(None, (fact(payload.get(name)) for name in states)), None)
                name = f"{product}.{state}" if state else product
                return EventDescription(
                    event_type(name), identifier(payload.get(sid)), _token(request)
                )
        return EventDescription(event_type(payload.get("EventType")), None, _token(request))

    @override
    def query(self, body: bytes) -> str:
        return "" if _looks_like_form(body) else f"bodySHA256={sha256(body).hexdigest()}"

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: TwilioSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        """For an endpoint whose settings say its address. JSON is to be sent with `query(body)`."""
        if settings.public_url is None:
            raise InvalidRequest("publicUrl is signed, so it must be known")
        query = self.query(body)
        address = f"{settings.public_url}?{query}" if query else settings.public_url
        fields = [] if query else _joined(body) or []
        signed = (address + "".join(fields)).encode()
        signature = code(key.encode(), signed, "base64", settings.algorithm).decode()
        headers = {"X-Twilio-Signature": signature}
        if delivery_id:
            headers["I-Twilio-Idempotency-Token"] = delivery_id
        return headers


def _fields(request: SignedRequest) -> list[str] | None:
    """What a form adds to the address; nothing for JSON, None for a malformed form."""
    return _joined(request.body) if is_form(request.headers) else []


def _joined(form: bytes) -> list[str] | None:
    fields = form_fields(form)
    return None if fields is None else [name + value for name, value in sorted(set(fields))]


def _has_signed_body(request: SignedRequest) -> bool:
    """Whether the signature covers the body: a form's always does, JSON's by its hash.

    The hash counts for a form as well: else an empty form would fit the signature of any JSON.
    """
    hashes = parse_qs(request.query).get("bodySHA256")
    if hashes is None:
        return is_form(request.headers)
    return hashes == [sha256(request.body).hexdigest()]


def _spellings(address: str) -> Sequence[str]:
    """The address as it is written, and with its port or without: Twilio signs the one or the other."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return (address,)
    if not parts.netloc:
        return (address,)
    start = address[: address.index("//") + 2]
    rest = address[len(start) + len(parts.netloc) :]
    host = _PORT.sub("", parts.netloc)
    if port is None:
        usual = 443 if parts.scheme == "https" else 80
        return (address, f"{start}{host}:{usual}{rest}")
    return (address, f"{start}{host}{rest}")


def _looks_like_form(body: bytes) -> bool:
    """JSON begins with a character that is escaped in a form."""
    return bool(body) and body.lstrip()[:1] not in {b"{", b"["}


def _token(request: SignedRequest) -> str | None:
    return identifier(header(request.headers, b"i-twilio-idempotency-token"))


SCHEME = Twilio()
