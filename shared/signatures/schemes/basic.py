"""HTTP Basic authentication (RFC 7617): a user name, and the secret as its password.

Nothing is signed: whoever reads one request can send others. HMAC is better where it can be had.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
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
from shared.signatures.settings import FactSettings


class BasicSettings(FactSettings):
    username: Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f\x7f]*$", max_length=255)]
    """It may be empty, and holds no colon."""


class Basic(Scheme[BasicSettings]):
    name = "basic"
    summary = "HTTP Basic authentication: a user name and a password"
    settings_model = BasicSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: BasicSettings, now: int
    ) -> Verified:
        word, _, credentials = request.headers.single(b"authorization").partition(b" ")
        # Hashes are of one length, so that the time to compare tells nothing of the password's.
        claimed = sha256(credentials).digest()
        genuine = False
        for key in key_bytes(keys):
            expected = sha256(_credentials(settings.username, key)).digest()
            genuine |= hmac.compare_digest(expected, claimed)
        if not genuine or word.lower() != b"basic":
            raise refusal("user name and password do not match")
        return Verified()

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: BasicSettings
    ) -> EventDescription:
        return described_by_convention(request.headers, payload, settings)

    @override
    def sign(
        self,
        body: bytes,
        key: str,
        settings: BasicSettings,
        now: int,
        *,
        event_type: str | None = None,
        delivery_id: str | None = None,
    ) -> dict[str, str]:
        headers = headers_by_convention(settings, event_type, delivery_id)
        credentials = _credentials(settings.username, key.encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
        return headers

    @override
    def credential_headers(self, settings: BasicSettings) -> frozenset[str]:
        return frozenset({"authorization"})


def _credentials(username: str, password: bytes) -> bytes:
    return b64encode(username.encode("utf-8", "surrogatepass") + b":" + password)


SCHEME = Basic()
