"""A sender of one's own, or one not listed: HMAC as the endpoint's settings describe it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator
from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    described_by_convention,
    fact,
    headers_by_convention,
    identifier,
)
from shared.signatures.macs import (
    DEFAULT_TOLERANCE,
    Encoding,
    Hash,
    after_prefix,
    any_genuine,
    code,
    is_fresh,
    key_bytes,
    parse_timestamp,
    refusal,
)
from shared.signatures.request import SignedRequest, decoded
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import FactSettings, HeaderName, Tolerance
from shared.signatures.signed_text import SignedTemplate, signed_text


class HmacSettings(FactSettings):
    header: HeaderName
    prefix: Annotated[str, StringConstraints(pattern=r"^[!-~]*$", max_length=50)] = ""
    """What stands before the code in the header, such as `sha256=`."""
    encoding: Encoding = "hex"
    hash: Hash = "sha256"
    template: SignedTemplate = "{body}"
    """What is signed: `{body}`, `{timestamp}` and `{id}` stand for the body and the two headers,
    all else for itself. A URL that the sender signs is written out here.
    """
    timestamp_header: HeaderName | None = None
    """Carries unix seconds."""
    tolerance_seconds: Tolerance = DEFAULT_TOLERANCE

    @model_validator(mode="after")
    def _template_and_headers_agree(self) -> Self:
        if ("{timestamp}" in self.template) != (self.timestamp_header is not None):
            raise ValueError("{timestamp} in template and timestampHeader need each other")
        if "{id}" in self.template and self.delivery_id_header is None:
            raise ValueError("{id} in template needs deliveryIdHeader")
        others = (self.timestamp_header, self.delivery_id_header, self.event_type_header)
        if self.header in others:
            raise ValueError("header carries the signature and nothing else")
        return self


class Hmac(Scheme[HmacSettings]):
    name = "hmac"
    summary = "Any HMAC: header, prefix, encoding, hash and what is signed are yours to choose"
    settings_model = HmacSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: HmacSettings, now: int
    ) -> Verified:
        headers = request.headers
        sent_at = headers.named(settings.timestamp_header)
        delivery_id = headers.named(settings.delivery_id_header)
        claimed = after_prefix(headers.named(settings.header), settings.prefix.encode())
        signed = signed_text(settings.template, sent_at, delivery_id, request.body)
        keys_as_bytes = key_bytes(keys)
        if not any_genuine(keys_as_bytes, signed, claimed, settings.encoding, settings.hash):
            raise refusal("the signature does not match")
        if not delivery_id and "{id}" in settings.template:
            raise refusal("the signed id is missing")
        timestamp = self.sent_at(request, settings)
        if settings.timestamp_header and not is_fresh(timestamp, now, settings.tolerance_seconds):
            raise refusal("the timestamp is outside the window")
        named_type = fact(decoded(headers.named(settings.event_type_header)))
        return Verified(named_type, identifier(decoded(delivery_id)), timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: HmacSettings) -> int | None:
        return parse_timestamp(request.headers.named(settings.timestamp_header))

    @override
    def proof_headers(self, settings: HmacSettings) -> frozenset[str]:
        return frozenset({settings.header})

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: HmacSettings
    ) -> EventDescription:
        return described_by_convention(request.headers, payload, settings)

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: HmacSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        """Without a `delivery_id` a signed id is the time."""
        sent_at = str(now)
        message_id = delivery_id or (sent_at if "{id}" in settings.template else "")
        signed = signed_text(settings.template, sent_at.encode(), message_id.encode(), body)
        signature = code(key.encode(), signed, settings.encoding, settings.hash).decode()
        headers = headers_by_convention(settings, event_type, message_id)
        headers[settings.header] = settings.prefix + signature
        if settings.timestamp_header:
            headers[settings.timestamp_header] = sent_at
        return headers


SCHEME = Hmac()
