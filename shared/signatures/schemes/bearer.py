"""A shared token in a header: `Authorization: Bearer …`, or the whole of a header of one's choice.

Nothing is signed: whoever reads one request can send others. HMAC is better where it can be had.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated

from pydantic import StringConstraints
from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    described_by_convention,
    headers_by_convention,
)
from shared.signatures.macs import key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import FactSettings, HeaderName


class BearerSettings(FactSettings):
    header: HeaderName = "authorization"
    prefix: Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=50)] | None = None
    """What stands before the token, in any case; by default `Bearer ` in Authorization and nothing
    in any other header.
    """

    @property
    def full_prefix(self) -> str:
        if self.prefix is None:
            return "Bearer " if self.header == "authorization" else ""
        return self.prefix


class Bearer(Scheme[BearerSettings]):
    name = "bearer"
    summary = "A token in the Authorization header, or in one of your choice"
    settings_model = BearerSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: BearerSettings, now: int
    ) -> Verified:
        value = request.headers.named(settings.header)
        prefix = settings.full_prefix.encode()
        has_prefix = value[: len(prefix)].lower() == prefix.lower()
        # Hashes are of one length, so that the time to compare tells nothing of the token's.
        claimed = sha256(value[len(prefix) :]).digest()
        genuine = False
        for key in key_bytes(keys):
            genuine |= hmac.compare_digest(sha256(key).digest(), claimed)
        if not genuine or not has_prefix:
            raise refusal("the token does not match")
        return Verified()

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: BearerSettings
    ) -> EventDescription:
        return described_by_convention(request.headers, payload, settings)

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: BearerSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        headers = headers_by_convention(settings, event_type, delivery_id)
        headers[settings.header] = settings.full_prefix + key
        return headers

    @override
    def credential_headers(self, settings: BearerSettings) -> frozenset[str]:
        return frozenset({settings.header})


SCHEME = Bearer()
