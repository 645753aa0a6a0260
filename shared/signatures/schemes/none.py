"""No verification: for trying things out, and for senders inside one's own network."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from shared.signatures.facts import (
    EventDescription,
    Payload,
    described_by_convention,
    headers_by_convention,
)
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.settings import FactSettings


class Unverified(Scheme[FactSettings]):
    name = "none"
    summary = "No signature: anyone who knows the URL can send"
    needs_secret = False
    settings_model = FactSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: FactSettings, now: int
    ) -> Verified:
        return Verified()

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: FactSettings
    ) -> EventDescription:
        return described_by_convention(request.headers, payload, settings)

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: FactSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        return headers_by_convention(settings, event_type, delivery_id)


SCHEME = Unverified()
