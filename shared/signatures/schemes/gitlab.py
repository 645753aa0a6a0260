"""GitLab: a secret token in a header, or a signing token, which makes it Standard Webhooks.

The stored secret decides: one that begins with `whsec_` is a signing token, and then the plain header
counts for nothing.
https://docs.gitlab.com/user/project/integrations/webhooks/
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from typing_extensions import override

from shared.errors import InvalidSignature
from shared.signatures.facts import (
    EventDescription,
    Payload,
    at,
    event_type,
    header,
    idempotency_key,
    identifier,
)
from shared.signatures.macs import key_bytes, refusal
from shared.signatures.request import SignedRequest
from shared.signatures.scheme import Scheme, Verified
from shared.signatures.schemes import standard_webhooks
from shared.signatures.settings import TimestampSettings

SIGNED = standard_webhooks.SCHEME


class GitLab(Scheme[TimestampSettings]):
    name = "gitlab"
    summary = "GitLab's X-Gitlab-Token, or its signing token"
    signature_headers = frozenset({"webhook-signature"})
    settings_model = TimestampSettings

    @override
    def verify(
        self, request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
    ) -> Verified:
        named = header(request.headers, b"x-gitlab-event")
        claimed = sha256(request.headers.single(b"x-gitlab-token")).digest()
        genuine = False
        for key in key_bytes([key for key in keys if not _signs(key)]):
            # Hashes are of one length, so that the time to compare tells nothing of the token's.
            genuine |= hmac.compare_digest(sha256(key).digest(), claimed)
        signing_tokens = [key for key in keys if _signs(key)]
        verified = None
        if signing_tokens:
            verified = _verified(request, signing_tokens, settings, now)
        if genuine:
            return Verified(named, idempotency_key(request.headers))
        if verified is None:
            raise refusal("neither X-Gitlab-Token nor webhook-signature matches")
        return Verified(named, verified.delivery_id, verified.timestamp)

    @override
    def sent_at(self, request: SignedRequest, settings: TimestampSettings) -> int | None:
        return SIGNED.sent_at(request, settings)

    @override
    def describe(
        self, request: SignedRequest, payload: Payload, settings: TimestampSettings
    ) -> EventDescription:
        """GitLab sends the same id as webhook-id and as Idempotency-Key; the former may be signed."""
        headers = request.headers
        return EventDescription(
            event_type(header(headers, b"x-gitlab-event"), payload.get("object_kind")),
            identifier(at(payload, "object_attributes", "id"), payload.get("checkout_sha")),
            identifier(header(headers, b"webhook-id")) or idempotency_key(headers),
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
        headers = {"X-Gitlab-Event": event_type} if event_type else {}
        if _signs(key):
            return headers | SIGNED.sign(body, key, settings, now, delivery_id=delivery_id)
        if delivery_id:
            headers["Idempotency-Key"] = delivery_id
        return headers | {"X-Gitlab-Token": key}

    @override
    def check_secret(self, secret: str) -> None:
        super().check_secret(secret)
        if _signs(secret):
            SIGNED.check_secret(secret)

    @override
    def credential_headers(self, settings: TimestampSettings) -> frozenset[str]:
        return frozenset({"x-gitlab-token"})


def _signs(key: str) -> bool:
    return key.startswith(standard_webhooks.SECRET_PREFIX)


def _verified(
    request: SignedRequest, keys: Sequence[str], settings: TimestampSettings, now: int
) -> Verified | None:
    try:
        return SIGNED.verify(request, keys, settings, now)
    except InvalidSignature:
        return None


SCHEME = GitLab()
